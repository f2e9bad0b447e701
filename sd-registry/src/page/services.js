// The list of services, each with how many of its instances are up.

import { byId, make, mark, write } from "./dom.js";
import { List } from "./list.js";
import { count } from "./words.js";

/** Stands for all services. */
const ALL = { name: null };

/** `pick(name)` is called with the service that was chosen; `null`: all. */
export class Services {
  #made = 0;
  #chosen = null;
  #counts = null;

  constructor({ pick }) {
    this.list = new List({
      scroller: byId("services"),
      make: () => this.#row(),
      paint: (row, service, index, isActive) => this.#paint(row, service, isActive),
      move: (service) => pick(service.name),
      pick: (service) => pick(service.name),
    });
  }

  show(services, chosen, counts) {
    this.#chosen = chosen;
    this.#counts = counts;
    this.list.items = [ALL, ...services];
    this.list.active = this.list.items.findIndex((service) => service.name === chosen);
    write(byId("services-count"), count(services.length));
    this.list.refresh();
  }

  #row() {
    this.#made += 1;
    const part = (name) => make("span", { class: name });
    const row = { name: part("name"), up: part("up"), of: part("of"), bar: part("bar") };
    row.parts = ["up", "draining", "down"].map((health) => make("span", { "data-health": health }));
    row.bar.append(...row.parts);
    mark(row.bar, "aria-hidden", "true");
    const numbers = make("span", { class: "numbers" }, row.up, row.of);
    const attributes = { role: "option", id: `service-${this.#made}`, class: "row" };
    row.element = make("div", attributes, row.name, numbers, row.bar);
    return row;
  }

  #paint(row, service, isActive) {
    const isAll = service.name === null;
    const { up, draining, down } = isAll ? this.#counts : service;
    const total = up + draining + down;
    write(row.name, isAll ? "All services" : service.name);
    mark(row.name, "title", isAll ? "" : service.name);
    write(row.up, count(up));
    write(row.of, up === total ? "" : ` of ${count(total)}`);
    mark(row.element, "aria-label", `${isAll ? "All services" : service.name}, ${up} of ${total} up`);
    mark(row.element, "aria-selected", String(service.name === this.#chosen));
    row.element.classList.toggle("active", isActive);
    row.element.classList.toggle("all", isAll);
    row.element.classList.toggle("none-up", up === 0 && !isAll);
    [up, draining, down].forEach((part, at) => {
      const grow = String(part);
      if (row.parts[at].style.flexGrow !== grow) row.parts[at].style.flexGrow = grow;
    });
  }
}
