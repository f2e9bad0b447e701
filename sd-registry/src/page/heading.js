// What stands above the rows: of which service they are, how many, and of which health.

import { byId, mark, write } from "./dom.js";
import { count, counted } from "./words.js";

const chips = () => document.querySelectorAll(".chip");

/** `counts` are those of the service, whatever is searched for; `shown` is how many rows there are. */
export function showHeading({ service, health, shown, counts }) {
  const all = counted(counts.total, "instance");
  write(byId("instances-title"), service ?? "All services");
  write(byId("instances-count"), shown === counts.total ? all : `${count(shown)} of ${all}`);
  for (const chip of chips()) {
    const word = chip.dataset.health;
    write(chip, `${count(counts[word])} ${word}`);
    mark(chip, "aria-pressed", String(health === word));
  }
}

/** `pick(health)` is called when a chip is pressed. */
export function listenToChips(pick) {
  for (const chip of chips()) chip.addEventListener("click", () => pick(chip.dataset.health));
}
