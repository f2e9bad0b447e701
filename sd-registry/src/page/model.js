// What is registered, as the stream tells it, and the part of it that is shown: sorted, and changed in place.

const RANK = { down: 0, draining: 1, up: 2 };

/** How a column is sorted; ties are broken by service, address and id. */
const COLUMNS = {
  instance: (entry) => entry.natural,
  service: (entry) => entry.naturalService,
  health: (entry) => RANK[entry.health] ?? 3,
  weight: (entry) => -entry.weight,
  zone: (entry) => entry.zone,
  age: (entry) => entry.registeredAt ?? Infinity,
};

/** Digits count as numbers: host-9 stands before host-10. */
const natural = (text) => text.toLowerCase().replace(/\d+/g, (digits) => digits.padStart(12, "0"));

/** What one instance is called everywhere. */
export const keyOf = (service, id) => `${service}\n${id}`;

/** An entry of the API, with what sorting and searching need. */
function entryOf(told) {
  const { service, revision, instance } = told;
  const address = instance.address;
  const id = instance.id ?? address;
  return {
    key: keyOf(service, id),
    service,
    id,
    address,
    revision,
    weight: instance.weight ?? 1,
    health: instance.health ?? "up",
    zone: instance.zone ?? "",
    tags: instance.tags ?? [],
    metadata: Object.entries(instance.metadata ?? {}),
    ports: Object.entries(instance.ports ?? {}),
    owner: instance.owner ?? "",
    registeredAt: told.registered_at_ms ?? null,
    ttl: told.ttl_ms ?? null,
    natural: natural(address),
    naturalService: natural(service),
    hay: null,
    /** When it was told as a change; what a snapshot says is no news. */
    cameAt: -Infinity,
  };
}

function hayOf(entry) {
  entry.hay ??= [
    entry.service,
    entry.id,
    entry.address,
    `health:${entry.health}`,
    entry.zone && `zone:${entry.zone}`,
    ...entry.tags.map((tag) => `tag:${tag}`),
    ...entry.metadata.map(([key, value]) => `${key}=${value}`),
  ]
    .join("\n")
    .toLowerCase();
  return entry.hay;
}

export class Model {
  /** By name: `{ name, entries: Map(id → entry), up, draining, down }`. */
  services = new Map();
  /** Services in order. */
  names = [];
  /** Entries that pass the filter, in order. */
  shown = [];
  total = 0;
  /** Revision of the newest change. */
  revision = 0;
  filter = { service: null, health: null, terms: [] };
  sort = { by: "service", down: false };
  #snapshot = null;

  get(key) {
    const [service, id] = key.split("\n");
    return this.services.get(service)?.entries.get(id);
  }

  /** How many there are of each health, of one service or of all. */
  counts(service) {
    const of = service === null ? [...this.services.values()] : [this.services.get(service)].filter(Boolean);
    const sum = (word) => of.reduce((all, one) => all + one[word], 0);
    const total = of.reduce((all, one) => all + one.entries.size, 0);
    return { up: sum("up"), draining: sum("draining"), down: sum("down"), total };
  }

  /** Takes an event in; tells which entries came, changed or went, or that everything may have. */
  take(event) {
    const { name, data } = event;
    if (data?.revision > this.revision) this.revision = data.revision;
    if (name === "put") return this.#put(entryOf(data));
    if (name === "remove") return this.#remove(keyOf(data.service, data.id));
    if (name === "snapshot") return this.#part(data);
    return null;
  }

  /** Shows another part, or in another order. */
  arrange({ filter = this.filter, sort = this.sort }) {
    this.filter = filter;
    this.sort = sort;
    const shown = [];
    const of = filter.service === null ? this.services.values() : [this.services.get(filter.service)].filter(Boolean);
    for (const service of of) {
      for (const entry of service.entries.values()) {
        if (this.#passes(entry)) shown.push(entry);
      }
    }
    this.shown = shown.sort((a, b) => this.#compare(a, b));
  }

  /** Where an entry stands among those shown, or -1. */
  place(entry) {
    if (!entry) return -1;
    const index = this.#search(entry);
    return this.shown[index] === entry ? index : -1;
  }

  #part(data) {
    this.#snapshot ??= [];
    this.#snapshot.push(...data.instances.map(entryOf));
    if (data.more) return { reading: this.#snapshot.length };
    const entries = this.#snapshot;
    this.#snapshot = null;
    this.services = new Map();
    this.total = 0;
    // The newest snapshot is the truth, also where it goes back: the centre may have begun anew.
    this.revision = data.revision;
    for (const entry of entries) this.#keep(entry);
    this.names = [...this.services.values()].sort((a, b) => (a.natural < b.natural ? -1 : 1));
    this.arrange({});
    return { whole: true };
  }

  /** Knows nothing any more. */
  clear() {
    this.#part({ instances: [], more: false, revision: 0 });
  }

  /** A connection that breaks in between leaves half a snapshot, which is none. */
  breakOff() {
    this.#snapshot = null;
  }

  #put(entry) {
    const before = this.#take(entry.key);
    const isNew = !this.services.has(entry.service);
    this.#keep(entry);
    entry.cameAt = performance.now();
    if (isNew) this.#name(this.services.get(entry.service));
    if (this.#passes(entry)) this.shown.splice(this.#search(entry), 0, entry);
    return { put: entry, before };
  }

  #remove(key) {
    const entry = this.#take(key);
    if (!entry) return null;
    const service = this.services.get(entry.service);
    if (service.entries.size === 0) {
      this.services.delete(entry.service);
      this.names.splice(this.names.indexOf(service), 1);
    }
    return { removed: entry };
  }

  #take(key) {
    const entry = this.get(key);
    if (!entry) return undefined;
    const index = this.place(entry);
    if (index >= 0) this.shown.splice(index, 1);
    const service = this.services.get(entry.service);
    service.entries.delete(entry.id);
    service[entry.health] -= 1;
    this.total -= 1;
    return entry;
  }

  #keep(entry) {
    let service = this.services.get(entry.service);
    if (!service) {
      const counts = { up: 0, draining: 0, down: 0 };
      service = { name: entry.service, natural: entry.naturalService, entries: new Map(), ...counts };
      this.services.set(entry.service, service);
    }
    service.entries.set(entry.id, entry);
    service[entry.health] += 1;
    this.total += 1;
  }

  #name(service) {
    const after = this.names.findIndex((one) => one.natural > service.natural);
    this.names.splice(after < 0 ? this.names.length : after, 0, service);
  }

  #passes(entry) {
    const { service, health, terms } = this.filter;
    if (service !== null && entry.service !== service) return false;
    if (health !== null && entry.health !== health) return false;
    if (terms.length === 0) return true;
    const hay = hayOf(entry);
    return terms.every((term) => hay.includes(term));
  }

  #compare(a, b) {
    const of = COLUMNS[this.sort.by] ?? COLUMNS.service;
    const order = compare(of(a), of(b)) * (this.sort.down ? -1 : 1);
    const byName = () => compare(a.naturalService, b.naturalService) || compare(a.natural, b.natural);
    return order || byName() || compare(a.key, b.key);
  }

  /** Where an entry stands, or would. */
  #search(entry) {
    let [low, high] = [0, this.shown.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#compare(this.shown[middle], entry) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
