// What can be done to an instance, once confirmed.

import { act } from "./api.js";
import { confirmed } from "./dialogs.js";

const WORDS = {
  drain: {
    title: "Drain this instance?",
    yes: "Drain",
    text: (whose) => `${whose} gets no new calls until its owner says otherwise. Calls that it has go on.`,
  },
  deregister: {
    title: "Deregister this instance?",
    yes: "Deregister",
    isDangerous: true,
    text: (whose) =>
      `${whose} is taken away. An owner that lives registers it again: drain it to stop calls to a live one.`,
  },
};

/** Asks whether to `drain` or `deregister` an entry, and does it on yes; resolves when that is over. */
export function askTo(kind, { service, id }) {
  const words = { ...WORDS[kind], text: WORDS[kind].text(`${id} of ${service}`) };
  return confirmed({ ...words, act: () => act(`v1/${kind}`, { service, id }) });
}
