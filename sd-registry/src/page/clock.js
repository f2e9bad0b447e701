// The centre's time, and how long leases have left: asked for the rows that are seen, and counted down in between.

import { act } from "./api.js";

/** One request asks for at most so many. */
const AT_ONCE = 200;

export class Clock {
  /** What the centre's calendar is ahead of ours. */
  #ahead = 0;
  #leases = new Map();
  /** While we are out of touch nothing is known of leases: they may have been renewed. */
  isBlind = false;

  /** The centre said that it is `now` there. */
  set(now) {
    this.#ahead = now - Date.now();
  }

  /** Milliseconds since a time of the centre's calendar. */
  since(at) {
    return Math.max(0, Date.now() + this.#ahead - at);
  }

  /** An entry's age and time to expiry in milliseconds; `null`: not known. */
  times(entry) {
    const lease = this.#leases.get(entry.key);
    const isKnown = lease && lease.left !== null && !this.isBlind;
    const left = isKnown ? Math.max(0, lease.left - (performance.now() - lease.at)) : null;
    return { age: entry.registeredAt === null ? null : this.since(entry.registeredAt), expires: left };
  }

  /** Whether it has been asked for this one. */
  knows(entry) {
    return this.#leases.has(entry.key);
  }

  /** Asks how long these have left, and forgets all others. */
  async ask(entries) {
    const asked = entries.slice(0, AT_ONCE);
    if (asked.length === 0) return;
    const answer = await act("v1/leases", { entries: asked.map(({ service, id }) => ({ service, id })) });
    const at = performance.now();
    this.#leases = new Map();
    asked.forEach((entry, index) => {
      this.#leases.set(entry.key, { left: answer.expires_in_ms[index], at });
    });
  }
}
