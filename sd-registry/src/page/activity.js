// Who requires whom, and what happened lately.

import { byId, make, mark, write } from "./dom.js";
import { happening, lasting } from "./words.js";

/** So many events are kept here. */
const EVENTS = 60;
/** So many lines of requirements are shown. */
const LINES = 100;

/** `choose(service, id?)` is called when a service or an instance is chosen. */
export class Activity {
  #requires = byId("requires");
  #events = byId("events");
  #clock;
  #choose;
  #shown = "";
  #newest = 0;
  requirements = [];

  constructor({ clock, choose }) {
    this.#clock = clock;
    this.#choose = choose;
  }

  /** Shows who requires whom; `upOf(service)` tells how many are up. */
  showRequirements(upOf) {
    const withUp = (names) => names.map((name) => [name, upOf(name)]);
    const lines = gathered(this.requirements).map(([service, required]) => [service, withUp(required)]);
    const text = JSON.stringify(lines);
    if (text === this.#shown) return;
    this.#shown = text;
    const focused = this.#requires.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    const shown = lines.slice(0, LINES).map(([service, required]) => this.#line(service, required));
    this.#requires.replaceChildren(...shown);
    if (lines.length > LINES) this.#requires.append(make("li", { class: "fine" }, `and ${lines.length - LINES} more`));
    if (lines.length === 0) this.#requires.append(make("li", { class: "fine" }, "Nobody has said what they require."));
    const buttons = focused === null ? [] : [...this.#requires.querySelectorAll("button")];
    buttons.find((button) => button.dataset.key === focused)?.focus();
  }

  clear() {
    this.requirements = [];
    this.addEvents([], true);
  }

  /** After which revision there is news. */
  get newest() {
    return this.#newest;
  }

  /** Takes events in, the newest first; `isWhole`: in place of all others. */
  addEvents(events, isWhole) {
    const added = events.map((event) => this.#event(event));
    if (isWhole) this.#events.replaceChildren(...added);
    else this.#events.prepend(...added);
    while (this.#events.childElementCount > EVENTS) this.#events.lastElementChild.remove();
    if (events.length > 0) this.#newest = events[0].revision;
    else if (isWhole) this.#newest = 0;
    if (this.#events.childElementCount === 0) this.#events.append(make("li", { class: "fine" }, "Nothing yet."));
    else if (this.#events.childElementCount > 1) this.#events.querySelector(":scope > .fine")?.remove();
    this.tick();
  }

  tick() {
    for (const item of this.#events.children) {
      if (item.dataset.at) write(item.lastChild, lasting(this.#clock.since(Number(item.dataset.at))));
    }
  }

  #line(service, required) {
    const one = make("button", { type: "button", class: "link", "data-key": service }, service);
    one.addEventListener("click", () => this.#choose(service));
    const chips = required.map(([name, up]) => {
      const state = up > 0 ? `${up} up` : "nobody";
      const chip = make(
        "button",
        { type: "button", class: up > 0 ? "need" : "need unmet", "data-key": `${service} ${name}` },
        name,
        make("span", {}, state),
      );
      chip.addEventListener("click", () => this.#choose(name));
      return chip;
    });
    return make("li", {}, one, make("span", { class: "arrow" }, "requires"), ...chips);
  }

  #event(event) {
    const word = happening(event);
    const what = make("span", { class: "what", "data-what": word }, word);
    const whom = make("button", { type: "button", class: "link", tabindex: "-1" }, event.id);
    whom.addEventListener("click", () => this.#choose(event.service, event.id));
    const who = make("span", { class: "who" }, whom, make("span", { class: "of" }, event.service));
    const item = make("li", { "data-at": String(event.at_ms) }, what, who, make("time"));
    mark(item.lastChild, "datetime", new Date(event.at_ms).toISOString());
    mark(item, "title", `revision ${event.revision}`);
    return item;
  }
}

/** By service: all that its instances require. */
function gathered(requirements) {
  const by = new Map();
  for (const { service, requires } of requirements) {
    if (requires.length === 0) continue;
    const names = by.get(service) ?? new Set();
    requires.forEach((name) => names.add(name));
    by.set(service, names);
  }
  return [...by].map(([service, names]) => [service, [...names].sort()]);
}
