// The event stream: read with fetch, since EventSource can't show a token. Reconnects by itself, and resumes.

import { open } from "./api.js";

/** The centre says something every 10 s at least; silence for longer means that it is gone. */
const SILENCE_MS = 25_000;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 4_000;

/**
 * Watches all instances.
 *
 * `events(list)` is told what came, in order; `touch({ state, error, retryAt })` whether we hear the centre: `live` or
 * `lost`.
 */
export class Stream {
  #events;
  #touch;
  #running = null;
  #lastId = null;
  #failures = 0;
  #wake = null;

  constructor({ events, touch }) {
    this.#events = events;
    this.#touch = touch;
  }

  /** Begins, if it does not run already. */
  start() {
    if (this.#running === null) {
      this.#running = new AbortController();
      this.#run(this.#running.signal);
    }
  }

  /** Ends; `start` resumes where it was. */
  stop() {
    this.#running?.abort();
    this.#running = null;
    this.#wake?.();
  }

  /** Forgets where it was: other eyes see other things. */
  forget() {
    this.#lastId = null;
  }

  /** Does not wait any longer before the next attempt. */
  hurry() {
    this.#failures = 0;
    this.#wake?.();
  }

  async #run(stopped) {
    while (!stopped.aborted) {
      let error;
      try {
        await this.#session(stopped);
        error = new Error("the centre has ended the stream");
      } catch (caught) {
        error = caught instanceof TypeError ? new Error("the connection broke", { cause: caught }) : caught;
      }
      if (stopped.aborted) return;
      if (error.status === 401 || error.status === 403) {
        this.#running = null;
        this.#touch({ state: "lost", error });
        return;
      }
      // Half of it is chance, so that not all pages come back at once.
      const longest = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#failures);
      const pause = longest * (0.5 + Math.random() / 2);
      this.#failures += 1;
      this.#touch({ state: "lost", error, retryAt: performance.now() + pause });
      await this.#pause(pause);
    }
  }

  #pause(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async #session(stopped) {
    const silence = new AbortController();
    let timer = setTimeout(() => silence.abort(new Error("the centre is silent")), SILENCE_MS);
    const signal = AbortSignal.any([stopped, silence.signal]);
    try {
      const headers = this.#lastId === null ? {} : { "last-event-id": this.#lastId };
      const response = await open("v1/watch/instances", { headers, signal });
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { value, done } = await reader.read();
        // What had arrived before it was told to stop is another's already: of another token, perhaps.
        if (done || stopped.aborted) return;
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(new Error("the centre is silent")), SILENCE_MS);
        const frames = (rest + value).split("\n\n");
        rest = frames.pop();
        if (frames.length > 0) this.#take(frames.map(parse));
      }
    } finally {
      clearTimeout(timer);
    }
  }

  #take(events) {
    this.#failures = 0;
    this.#touch({ state: "live" });
    this.#events(events);
    for (const event of events) {
      if (event.id !== null) this.#lastId = event.id;
    }
  }
}

/** A server-sent event, as this centre writes them: one line of data. */
function parse(frame) {
  const event = { id: null, name: "message", data: null };
  for (const line of frame.split("\n")) {
    const colon = line.indexOf(": ");
    const [field, value] = [line.slice(0, colon), line.slice(colon + 2)];
    if (field === "id") event.id = value;
    else if (field === "event") event.name = value;
    else if (field === "data") event.data = JSON.parse(value);
  }
  return event;
}
