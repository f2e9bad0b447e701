// The views: services, instances or activity, where there is room for one alone.

import { byId, mark } from "./dom.js";

const buttons = () => document.querySelectorAll(".views button");

/** Shows one of them. */
export function look(view) {
  byId("main").dataset.view = view;
  for (const button of buttons()) mark(button, "aria-pressed", String(button.dataset.view === view));
}

/** `leave()` is called before another view is shown: details may lie above it. */
export function listenToViews(leave) {
  for (const button of buttons()) {
    button.addEventListener("click", () => {
      leave();
      look(button.dataset.view);
    });
  }
}
