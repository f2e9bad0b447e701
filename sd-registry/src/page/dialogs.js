// What is asked before something is done, and for a token.

import { byId, show, write } from "./dom.js";

/** Says what went wrong in a dialog; nothing, where nothing did. */
function complain(element, text) {
  show(element, text !== "");
  write(element, text);
}

/** Asks, and does `act()` on yes; stays open, and says why, when that fails. Resolves when it is closed. */
export function confirmed({ title, text, yes, isDangerous, act }) {
  const dialog = byId("confirm");
  const [no, go, error] = [byId("confirm-no"), byId("confirm-yes"), byId("confirm-error")];
  write(byId("confirm-title"), title);
  write(byId("confirm-text"), text);
  write(go, yes);
  go.className = isDangerous ? "danger" : "primary";
  complain(error, "");
  return new Promise((resolve) => {
    const asked = new AbortController();
    const { signal } = asked;
    const done = () => {
      // Word of a close comes late: it may have been opened again.
      if (dialog.open) return;
      asked.abort();
      resolve();
    };
    dialog.addEventListener("close", done, { signal });
    no.addEventListener("click", () => dialog.close(), { signal });
    go.addEventListener(
      "click",
      async () => {
        go.disabled = true;
        try {
          await act();
          dialog.close();
        } catch (caught) {
          complain(error, caught.message);
        } finally {
          go.disabled = false;
        }
      },
      { signal },
    );
    dialog.showModal();
    // What can be taken back is what Enter does by accident.
    no.focus();
  });
}

/**
 * Asks for a token; `why` says what was wrong with the last one. Resolves with it, with `null` where the one that there
 * is shall be forgotten, and with `undefined` when none is given.
 */
export function askForToken(why, canForget) {
  const dialog = byId("token-dialog");
  const [form, input] = [byId("token-form"), byId("token")];
  complain(byId("token-error"), why);
  input.value = "";
  return new Promise((resolve) => {
    const asked = new AbortController();
    const { signal } = asked;
    let given;
    dialog.addEventListener(
      "close",
      () => {
        if (dialog.open) return;
        asked.abort();
        input.value = "";
        resolve(given);
      },
      { signal },
    );
    byId("token-no").addEventListener("click", () => dialog.close(), { signal });
    form.addEventListener(
      "submit",
      (event) => {
        event.preventDefault();
        given = input.value.trim() || undefined;
        dialog.close();
      },
      { signal },
    );
    const forget = byId("token-forget");
    show(forget, canForget);
    forget.addEventListener("click", () => ((given = null), dialog.close()), { signal });
    if (!dialog.open) dialog.showModal();
    input.focus();
  });
}
