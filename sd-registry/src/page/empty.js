// What stands in place of rows where there are none.

import { byId, make, show } from "./dom.js";
import { hasToken } from "./api.js";

/** An instance registered by hand: it lapses after a minute. */
function curlLine() {
  const token = hasToken() ? " -H 'authorization: Bearer …'" : "";
  const body = '{"service":"book","instance":{"address":"127.0.0.1:50052"},"ttl_ms":60000}';
  const base = location.href.split(/[?#]/)[0];
  return `curl ${base}v1/register${token} -H 'content-type: application/json' -d '${body}'`;
}

function rustLine() {
  const tls = location.protocol === "https:" ? "?tls=true" : "";
  return `let instance = Instance::new("127.0.0.1:50052".parse::<Address>()?);
let registry = sd_kit::connect("sd://${location.host}${tls}")?;
let registration = registry.register(Registration::new("book", instance)).await?;`;
}

function snippet(label, text) {
  const copy = make("button", { type: "button", class: "quiet" }, "Copy");
  const head = make("p", { class: "label" }, label);
  // Without TLS browsers lend the clipboard to pages of this host alone.
  if (navigator.clipboard) {
    copy.addEventListener("click", async () => {
      await navigator.clipboard.writeText(text).then(
        () => (copy.textContent = "Copied"),
        () => (copy.textContent = "Not allowed"),
      );
      setTimeout(() => (copy.textContent = "Copy"), 1500);
    });
    head.append(copy);
  }
  return [head, make("pre", { tabindex: "0", "aria-label": label }, make("code", {}, text))];
}

const WORDS = {
  connecting: () => [make("p", {}, "Reading what is registered …")],
  locked: ({ enter }) => [
    make("h3", {}, "This centre asks for a token"),
    make("p", {}, "With one, this page shows the services that it may read."),
    button("Enter a token", enter, "primary"),
  ],
  empty: () => [
    make("h3", {}, "Nothing registered yet"),
    make("p", {}, "An instance shows here as soon as it registers. From a shell, for a minute:"),
    ...snippet("Shell", curlLine()),
    make("p", {}, "From a Rust program, for as long as it runs:"),
    ...snippet("Rust", rustLine()),
  ],
  unmatched: ({ clear }) => [
    make("h3", {}, "Nothing matches"),
    make("p", {}, "No instance is as the search, the service and the health ask for."),
    button("Show all", clear, "quiet"),
  ],
};

function button(label, act, kind) {
  const element = make("button", { type: "button", class: kind }, label);
  element.addEventListener("click", act);
  return element;
}

let shown = null;

/** Shows the notice of this kind; `null`: none. */
export function notice(kind, acts) {
  const element = byId("nothing");
  show(element, kind !== null);
  if (kind !== shown) element.replaceChildren(...(kind === null ? [] : WORDS[kind](acts)));
  shown = kind;
}
