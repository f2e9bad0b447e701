// How the centre is, and whether we hear it: the lamp above, and the banners.

import { byId, mark, show, write } from "./dom.js";
import { count, counted, lasting } from "./words.js";

const STORES = { memory: "in memory", disk: "on disk", front: "front of another registry" };

export class Status {
  #clock;
  #touch = { state: "connecting" };
  #heardAt = null;
  #staleSince = null;
  #staleText = null;
  #revision = 0;
  #reading = null;
  #caller = { read: [], write: [] };
  #store = "";
  hasBeenLive = false;

  constructor({ clock, retry }) {
    this.#clock = clock;
    byId("try-now").addEventListener("click", retry);
  }

  get isLive() {
    return this.#touch.state === "live";
  }

  /** Whether the token may change a service. */
  mayWrite(service) {
    return this.#caller.write.some((right) =>
      right.endsWith("*") ? service.startsWith(right.slice(0, -1)) : service === right,
    );
  }

  /** What the centre says of itself. */
  told(status) {
    this.#clock.set(status.now_ms);
    this.#caller = status.caller;
    this.#store = STORES[status.store.kind] ?? status.store.kind;
    const { trouble } = status.store;
    const isFront = status.store.kind === "front";
    const what = isFront ? "The registry behind can't be reached" : "The store can't be written, so acts are refused";
    banner("banner-trouble", trouble === null ? null : `${what}: ${trouble}`);
    const preserving = status.self_preservation;
    const why = "Too many leases lapsed at once, more likely a network's fault than theirs, so nobody is evicted.";
    const kept = `${counted(preserving.kept, "lapsed instance")} kept, for ${lasting(preserving.for_ms ?? 0)} now.`;
    // Said aloud once: the banner's times change all the time.
    write(byId("announced"), preserving.active ? "Self-preservation: nobody is evicted." : "");
    banner("banner-preserving", preserving.active ? `Self-preservation. ${why} ${kept}` : null);
    const { name } = status.caller;
    write(byId("token-button"), name === null ? "Token" : `Token: ${name}`);
    this.#write();
  }

  /** Whether the stream is heard. */
  touched(touch) {
    this.#touch = touch;
    if (touch.state === "live") {
      this.#heardAt = performance.now();
      this.hasBeenLive = true;
      this.#reading = null;
    }
    this.#write();
  }

  /** So many instances of a first snapshot have come. */
  reading(instances) {
    this.#reading = instances;
    this.#write();
  }

  /** A registry behind can't be watched; `null`: it can. */
  stale(error) {
    this.#staleSince = error === null ? null : (this.#staleSince ?? performance.now());
    this.#staleText = error;
    this.#write();
  }

  locked() {
    this.touched({ state: "locked" });
  }

  revision(revision) {
    this.#revision = revision;
    this.#write();
  }

  /** Writes what time alone changes. */
  tick() {
    this.#write();
  }

  #write() {
    const { state, error, retryAt } = this.#touch;
    const isStale = state === "live" && this.#staleSince !== null;
    mark(byId("touch"), "data-state", isStale ? "stale" : state);
    const words = { connecting: "Connecting", live: "Live", lost: "Out of touch", locked: "No token" };
    write(byId("touch-word"), isStale ? "Stale" : words[state]);
    const known = `revision ${count(this.#revision)} · ${this.#store}`;
    const fine = this.#reading !== null ? `reading ${count(this.#reading)} …` : known;
    write(byId("touch-fine"), state === "live" && this.#store !== "" ? fine : "");
    document.body.classList.toggle("out-of-touch", state === "lost" && this.hasBeenLive);
    const now = performance.now();
    const shown = this.#heardAt === null ? "" : ` What is shown is as it was ${lasting(now - this.#heardAt)} ago.`;
    const next = retryAt > now ? ` Trying again in ${lasting(retryAt - now + 999)}.` : " Trying again.";
    show(byId("banner-touch"), state === "lost");
    if (state === "lost") write(byId("banner-touch-text"), `${sentence(error.message)}${shown}${next}`);
    const since = this.#staleSince === null ? "" : lasting(now - this.#staleSince);
    const why = isStale ? sentence(this.#staleText) : "";
    banner("banner-stale", isStale ? `Stale for ${since}: the registry behind can't be watched. ${why}` : null);
  }
}

function banner(id, text) {
  show(byId(id), text !== null);
  if (text !== null) write(byId(id).firstElementChild, text);
}

function sentence(text) {
  const word = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(word) ? word : `${word}.`;
}
