// Times and numbers, as people read them.

const number = new Intl.NumberFormat("en");

/** 12,345 */
export const count = (value) => number.format(value);

/** 1 instance, 2 instances */
export const counted = (value, word) => `${count(value)} ${word}${value === 1 ? "" : "s"}`;

/** How long, in one unit: 12 s, 4 min, 5 h, 3 d. */
export function lasting(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 2 * 86400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

/** What is left, rounded up: 0 s only when nothing is. */
export const left = (ms) => lasting(Math.ceil(Math.max(0, ms) / 1000) * 1000);

/** A point in time, in full. */
export const moment = (ms) => new Date(ms).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" });

/** What an event comes to. */
export function happening(event) {
  if (event.what === "changed" && event.health === "draining") return "draining";
  if (event.what === "changed" && event.health === "down") return "down";
  return event.what === "taken-over" ? "taken over" : event.what;
}
