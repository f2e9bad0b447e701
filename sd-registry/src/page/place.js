// What is looked at, in the address's fragment: a reload finds it again, and it can be sent to others.

const SORTS = ["instance", "service", "health", "weight", "zone", "age"];
const HEALTH = ["up", "draining", "down"];

/** What the address says. */
export function placeNow() {
  const said = new URLSearchParams(location.hash.slice(1));
  const [by, order] = (said.get("sort") ?? "").split("-");
  return {
    service: said.get("service"),
    search: said.get("q") ?? "",
    health: HEALTH.find((word) => word === said.get("health")) ?? null,
    sort: SORTS.includes(by) ? { by, down: order === "down" } : { by: "service", down: false },
  };
}

/** Writes it there; no entry of the history is made for it. */
export function remember({ service, search, health, sort }) {
  const said = new URLSearchParams();
  if (service !== null) said.set("service", service);
  if (search !== "") said.set("q", search);
  if (health !== null) said.set("health", health);
  if (sort.by !== "service" || sort.down) said.set("sort", sort.by + (sort.down ? "-down" : ""));
  const text = said.toString();
  history.replaceState(null, "", text === "" ? location.pathname + location.search : `#${text}`);
}
