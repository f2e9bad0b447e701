// The table of instances: its columns, and how an entry stands in a row.

import { byId, make, mark, show, write } from "./dom.js";
import { List } from "./list.js";
import { lasting, left } from "./words.js";

const COLUMNS = [
  ["health", "Health"],
  ["instance", "Instance"],
  ["service", "Service"],
  ["weight", "Weight"],
  ["zone", "Zone"],
  ["tags", "Tags"],
  ["metadata", "Metadata"],
  ["age", "Age"],
  ["lease", "Expires"],
];
const SORTED_BY = new Set(["health", "instance", "service", "weight", "zone", "age"]);
const FLASH = [{ backgroundColor: "var(--flash)" }, { backgroundColor: "transparent" }];

const calm = matchMedia("(prefers-reduced-motion: reduce)");

/** `pick(entry)` is called when a row is chosen, `sort(by)` when a column's head is. `clock` tells times and leases. */
export class Table {
  #grid = byId("instances");
  #heads = new Map();
  #clock;
  #rows = 0;

  constructor({ clock, move, pick, sort }) {
    this.#clock = clock;
    this.#head(sort);
    this.list = new List({
      scroller: this.#grid,
      make: () => this.#row(),
      paint: (row, entry, index, isActive) => this.#paint(row, entry, index, isActive),
      move,
      pick,
    });
  }

  /** Shows these entries, in the order of `sort`, with `active` as the keyboard's place. */
  show(entries, { sort, active, hasServiceColumn }) {
    this.list.items = entries;
    this.list.active = active;
    mark(this.#grid, "aria-rowcount", String(entries.length + 1));
    this.#grid.classList.toggle("one-service", !hasServiceColumn);
    for (const [by, head] of this.#heads) {
      const order = sort.by === by ? (sort.down ? "descending" : "ascending") : "none";
      mark(head, "aria-sort", order);
    }
    this.list.refresh();
  }

  /** Writes the times of the rows that exist, and nothing else. */
  tick() {
    for (const [row, entry] of this.list.painted()) this.#times(row, entry);
  }

  #head(sort) {
    const columns = this.#grid.querySelector(".columns");
    mark(this.#grid, "aria-colcount", String(COLUMNS.length));
    for (const [name, label] of COLUMNS) {
      const head = make("span", { role: "columnheader", class: `c-${name}` });
      if (SORTED_BY.has(name)) {
        const button = make("button", { type: "button" }, label);
        button.addEventListener("click", () => sort(name));
        head.append(button);
        this.#heads.set(name, head);
      } else {
        head.append(label);
      }
      columns.append(head);
    }
  }

  #row() {
    this.#rows += 1;
    const cell = (name, ...children) => make("span", { role: "gridcell", class: `c-${name}` }, ...children);
    const part = (name) => make("span", { class: name });
    const row = {
      word: part("word"),
      address: part("address"),
      id: part("id"),
      service: cell("service"),
      weight: cell("weight"),
      zone: cell("zone"),
      tags: cell("tags"),
      metadata: cell("metadata"),
      age: cell("age"),
      left: part("left"),
      meter: part("meter"),
      entry: null,
    };
    row.meter.append(make("span"));
    row.element = make(
      "div",
      { role: "row", id: `row-${this.#rows}`, class: "row" },
      cell("health", make("span", { class: "lamp", "aria-hidden": "true" }), row.word),
      cell("instance", row.address, row.id),
      row.service,
      row.weight,
      row.zone,
      row.tags,
      row.metadata,
      row.age,
      cell("lease", row.left, row.meter),
    );
    return row;
  }

  #paint(row, entry, index, isActive) {
    row.element.classList.toggle("active", isActive);
    mark(row.element, "aria-rowindex", String(index + 2));
    mark(row.element, "aria-selected", String(isActive));
    if (row.entry !== entry) {
      row.entry = entry;
      mark(row.element, "data-health", entry.health);
      write(row.word, entry.health);
      write(row.address, entry.address);
      mark(row.address, "title", entry.address);
      // The default id says nothing that the address does not.
      write(row.id, entry.id === entry.address ? "" : entry.id);
      write(row.service, entry.service);
      write(row.weight, String(entry.weight));
      write(row.zone, entry.zone);
      write(row.tags, entry.tags.join(", "));
      const metadata = entry.metadata.map(([key, value]) => `${key}=${value}`).join("  ");
      write(row.metadata, metadata);
      mark(row.metadata, "title", metadata);
      if (entry.cameAt > performance.now() - 1000) this.#flash(row);
    }
    this.#times(row, entry);
  }

  #times(row, entry) {
    const { age, expires } = this.#clock.times(entry);
    write(row.age, age === null ? "–" : lasting(age));
    write(row.left, expires === null ? "–" : expires > 0 ? left(expires) : "lapsed");
    show(row.meter, expires !== null && entry.ttl !== null);
    const share = entry.ttl ? Math.min(1, Math.max(0, (expires ?? 0) / entry.ttl)) : 0;
    const scale = `scaleX(${share.toFixed(3)})`;
    const bar = row.meter.firstChild;
    if (bar.style.transform !== scale) bar.style.transform = scale;
    row.element.classList.toggle("lapsed", expires === 0);
  }

  #flash(row) {
    if (!calm.matches) row.element.animate(FLASH, { duration: 1400, easing: "ease-out" });
  }
}
