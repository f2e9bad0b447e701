// The page: what the stream tells goes into the model, and what of it is looked at onto the screen.

import { askTo } from "./acts.js";
import { Refused, hasToken, read, useToken } from "./api.js";
import { Activity } from "./activity.js";
import { Clock } from "./clock.js";
import { Details } from "./details.js";
import { askForToken } from "./dialogs.js";
import { byId, show } from "./dom.js";
import { notice } from "./empty.js";
import { listenToChips, showHeading } from "./heading.js";
import { listenToKeys } from "./keys.js";
import { Model, keyOf } from "./model.js";
import { paced } from "./paced.js";
import { placeNow, remember } from "./place.js";
import { Services } from "./services.js";
import { Status } from "./status.js";
import { Stream } from "./stream.js";
import { Table } from "./table.js";
import { listenToViews, look } from "./views.js";

/** A page that nobody sees lets go of its stream after so long: browsers open six to one server. */
const UNSEEN_MS = 60_000;
const TICK_MS = 1_000;
const ASK_MS = 2_000;

const model = new Model();
const clock = new Clock();
const status = new Status({ clock, retry: () => stream.hurry() });
const stream = new Stream({ events: take, touch: touched });
let place = placeNow();
/** Whose row the keyboard is at, and who is shown in full. */
let [active, opened] = [null, null];
let isLocked = false;
/** After a snapshot revisions may count anew, so all events are asked for: snapshots, and the one whose events are shown. */
let [snapshots, told] = [0, 0];
let unseen = null;

const table = new Table({ clock, move: (entry) => ((active = entry.key), update()), pick: openDetails, sort: sortBy });
const services = new Services({ pick: (name) => go({ service: name }) });
const details = new Details({ clock, act: askAndReturn, close: closeDetails });
const activity = new Activity({ clock, choose });

const update = paced(0, render);
const askLeases = paced(120, async () => {
  const seen = [...table.list.painted()].map(([, entry]) => entry);
  await quietly(() => clock.ask(details.entry ? [details.entry, ...seen] : seen));
  tick();
});
const askStatus = paced(200, () => quietly(async () => status.told(await read("v1/status"))));
const askRecent = paced(200, () =>
  quietly(async () => {
    const [isWhole, snapshot] = [told !== snapshots, snapshots];
    const recent = await read(`v1/recent?after=${isWhole ? 0 : activity.newest}`);
    activity.addEvents(recent.events, isWhole);
    told = snapshot;
  }),
);
const askRequirements = paced(700, () =>
  quietly(async () => {
    activity.requirements = (await read("v1/requirements")).requirements;
    update();
  }),
);

/** Takes in what the stream tells. */
function take(events) {
  let [isChanged, isWhole] = [false, false];
  for (const event of events) {
    const change = model.take(event);
    if (event.name === "snapshot") status.stale(event.data.stale?.error ?? null);
    else if (event.name === "stale") status.stale(event.data.error);
    else if (event.name === "live") status.stale(null);
    isChanged ||= Boolean(change);
    isWhole ||= Boolean(change?.whole);
    if (change?.reading) status.reading(change.reading);
  }
  if (isWhole) snapshots += 1;
  if (isChanged) {
    askRecent();
    askRequirements();
  }
  update();
}

/** Hears, or does not hear, the centre. */
function touched(touch) {
  const wasLive = status.isLive;
  clock.isBlind = touch.state !== "live";
  if (touch.state === "lost") model.breakOff();
  if (touch.error instanceof Refused && touch.error.status === 401) {
    locked(hasToken() ? "The centre does not know this token." : "");
    return;
  }
  status.touched(touch);
  if (touch.state === "live" && !wasLive) {
    isLocked = false;
    askStatus();
    askRequirements();
    askLeases();
  }
  update();
}

/** Shows nothing any more, and asks for a token; whether it is let in shows at once. */
function locked(why) {
  shut();
  changeToken(why);
}

function shut() {
  stream.stop();
  stream.forget();
  model.clear();
  activity.clear();
  [isLocked, opened] = [true, null];
  status.locked();
  update();
}

/** Asks for a token; where none is given, all stays as it is. */
async function changeToken(why) {
  const given = await askForToken(why, hasToken() && !isLocked);
  if (given === undefined) return;
  useToken(given);
  shut();
  if (given !== null) stream.start();
}

/** Does something that is tried again anyway; only that the token is not known any more matters. */
async function quietly(job) {
  try {
    await job();
  } catch (error) {
    const isRevoked = error instanceof Refused && error.status === 401;
    if (isRevoked && !isLocked) locked("The centre does not know this token any more.");
  }
}

function render() {
  const { service, health, sort } = place;
  const [all, here] = [model.counts(null), model.counts(service)];
  services.show(model.names, service, all);
  const entry = active === null ? undefined : model.get(active);
  table.show(model.shown, { sort, active: model.place(entry), hasServiceColumn: service === null });
  showHeading({ service, health, shown: model.shown.length, counts: here });
  showDetails();
  activity.showRequirements((name) => model.services.get(name)?.up ?? 0);
  status.revision(model.revision);
  notice(noticed(), { enter: () => changeToken(""), clear: () => go({ service: null, search: "", health: null }) });
  show(byId("token-button"), hasToken() || isLocked);
  // After the rows exist: whoever has just come into sight is asked for.
  requestAnimationFrame(() => {
    if (status.isLive && [...table.list.painted()].some(([, one]) => !clock.knows(one))) askLeases();
  });
}

/** What stands in place of rows. */
function noticed() {
  if (isLocked) return "locked";
  if (model.total > 0) return model.shown.length === 0 ? "unmatched" : null;
  return status.hasBeenLive ? "empty" : "connecting";
}

function showDetails() {
  if (opened === null) return details.show(null, {});
  const now = model.get(opened);
  const last = now ?? details.entry;
  if (!last) return closeDetails();
  details.show(last, { isThere: Boolean(now), mayWrite: status.mayWrite(last.service) });
}

/** Looks elsewhere. */
function go(change) {
  place = { ...place, ...change };
  remember(place);
  if (byId("search").value !== place.search) byId("search").value = place.search;
  const terms = place.search.toLowerCase().split(/\s+/).filter(Boolean);
  model.arrange({ filter: { service: place.service, health: place.health, terms }, sort: place.sort });
  byId("instances").scrollTop = 0;
  if ("service" in change) look("instances");
  update();
}

function sortBy(by) {
  go({ sort: { by, down: place.sort.by === by && !place.sort.down } });
}

function choose(service, id) {
  if (id === undefined) return go({ service });
  const entry = model.get(keyOf(service, id));
  go({ service, search: "", health: null });
  if (entry) openDetails(entry);
}

function openDetails(entry) {
  active = opened = entry.key;
  table.list.reveal(Math.max(0, model.place(entry)));
  showDetails();
  askLeases();
  details.focus();
  update();
}

async function askAndReturn(kind, entry) {
  await askTo(kind, entry);
  details.focus();
}

/** Whether there were any. */
function closeDetails() {
  if (opened === null) return false;
  opened = null;
  details.show(null, {});
  byId("instances").focus();
  return true;
}

function enterRows() {
  if (active === null || model.place(model.get(active)) < 0) active = model.shown[0]?.key ?? null;
  // At once: the next key may come before the next frame.
  table.list.active = active === null ? -1 : model.place(model.get(active));
  update();
}

function tick() {
  table.tick();
  details.tick();
  activity.tick();
  status.tick();
}

function seen() {
  clearTimeout(unseen);
  if (document.hidden) {
    unseen = setTimeout(() => stream.stop(), UNSEEN_MS);
  } else if (!isLocked) {
    stream.start();
    tick();
  }
}

byId("host").textContent = location.host;
document.title = `Registry ${location.host}`;
byId("search").addEventListener("input", (event) => go({ search: event.target.value }));
byId("token-button").addEventListener("click", () => changeToken(""));
listenToChips((health) => go({ health: place.health === health ? null : health }));
listenToViews(closeDetails);
listenToKeys({
  search: () => look("instances"),
  clear: () => go({ search: "" }),
  back: closeDetails,
  enter: enterRows,
});
document.addEventListener("visibilitychange", seen);
window.addEventListener("online", () => stream.hurry());
window.addEventListener("hashchange", () => go(placeNow()));
setInterval(() => document.hidden || tick(), TICK_MS);
setInterval(() => {
  if (document.hidden || !status.isLive) return;
  askStatus();
  askLeases();
}, ASK_MS);
go({});
stream.start();
