// Keys that work wherever the keyboard is.

import { byId } from "./dom.js";

/**
 * Listens to keys: `search()` on `/`, `clear()` on Escape in a search that holds something, `back()` on Escape
 * elsewhere, which tells whether there was anything to leave, `enter()` on the way from the search to the rows.
 */
export function listenToKeys({ search, clear, back, enter }) {
  document.addEventListener("keydown", (event) => {
    const field = byId("search");
    const isInField = event.target === field;
    if (event.target.closest("dialog") !== null || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/" && !event.target.matches("input")) {
      search();
      field.focus();
      field.select();
    } else if (event.key === "Escape" && isInField) {
      if (field.value === "") byId("instances").focus();
      else clear();
    } else if ((event.key === "ArrowDown" || event.key === "Enter") && isInField) {
      byId("instances").focus();
      enter();
    } else if (event.key !== "Escape" || !back()) {
      return;
    }
    event.preventDefault();
  });
}
