// One instance in full, and what can be done to it.

import { byId, make, show, write } from "./dom.js";
import { lasting, left, moment } from "./words.js";

/** `act(kind, entry)` is called when `drain` or `deregister` is asked for, `close()` when it is left. */
export class Details {
  #panel = byId("details");
  #list = byId("details-list");
  #clock;
  #times = null;
  #shown = null;
  entry = null;

  constructor({ clock, act, close }) {
    this.#clock = clock;
    byId("details-close").addEventListener("click", close);
    byId("drain").addEventListener("click", () => act("drain", this.entry));
    byId("deregister").addEventListener("click", () => act("deregister", this.entry));
  }

  /** Shows an entry; `null`: none. `isThere`: it is registered still. */
  show(entry, { isThere, mayWrite }) {
    this.entry = entry;
    show(this.#panel, entry !== null);
    show(byId("activity"), entry === null);
    document.body.classList.toggle("with-details", entry !== null);
    if (entry === null) return this.#shown === null ? undefined : this.#empty();
    write(byId("details-title"), entry.address);
    show(byId("details-gone"), !isThere);
    show(byId("details-acts"), mayWrite);
    show(byId("details-rights"), !mayWrite);
    write(byId("details-rights"), `This token may not write ${entry.service}: it can't drain or deregister here.`);
    byId("drain").disabled = !isThere || entry.health === "draining";
    byId("deregister").disabled = !isThere;
    if (this.#shown !== entry) this.#fill(entry);
    this.tick();
  }

  tick() {
    if (this.entry === null || this.#times === null) return;
    const { age, expires } = this.#clock.times(this.entry);
    const since = this.entry.registeredAt;
    const unknown = "not known: it stands in the registry behind";
    write(this.#times.age, age === null ? unknown : `${lasting(age)} ago, ${moment(since)}`);
    const ttl = this.entry.ttl === null ? "" : `, of a TTL of ${lasting(this.entry.ttl)}`;
    const word = expires === null ? "held by the registry behind" : expires > 0 ? `in ${left(expires)}` : "lapsed";
    write(this.#times.expires, word + ttl);
  }

  /** Puts the keyboard here. */
  focus() {
    this.#panel.focus();
  }

  #empty() {
    [this.#shown, this.#times] = [null, null];
    this.#list.replaceChildren();
    write(byId("details-title"), "");
  }

  #fill(entry) {
    this.#shown = entry;
    this.#times = { age: make("dd"), expires: make("dd") };
    const lines = [
      ["Service", code(entry.service)],
      ["Id", code(entry.id)],
      ["Health", health(entry.health)],
      ["Weight", String(entry.weight)],
      ["Zone", entry.zone],
      ["Tags", entry.tags.join(", ")],
      ["Ports", entry.ports.map(([name, port]) => `${name} ${port}`).join(", ")],
      ["Registered", this.#times.age],
      ["Expires", this.#times.expires],
      ["Owner", entry.owner === "" ? "" : code(entry.owner)],
      ["Revision", String(entry.revision)],
    ];
    const pairs = (list) => list.filter(([, value]) => value !== "").flatMap(([name, value]) => pair(name, value));
    const metadata = entry.metadata.flatMap(([key, value]) => pair(key, code(value)));
    if (metadata.length > 0) metadata.unshift(make("dt", { class: "wide" }, "Metadata"));
    this.#list.replaceChildren(...pairs(lines), ...metadata);
  }
}

/** What is compared letter by letter. */
const code = (text) => make("dd", { class: "code" }, text);

function health(word) {
  return make("span", { class: "health", "data-health": word }, make("span", { class: "lamp" }), word);
}

function pair(name, value) {
  const told = value instanceof HTMLElement && value.tagName === "DD" ? value : make("dd", {}, value);
  return [make("dt", {}, name), told];
}
