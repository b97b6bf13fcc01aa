// @ts-check
/**
 * The data products of a target as they are filtered, sorted and counted; knows no page and no server.
 * `handlers/pages/target/frames.py` does the same for what a page shows at first.
 */

/**
 * @typedef {object} Frame a data product, as `/api/targets/<pk>/frames/` has it
 * @property {number} pk
 * @property {string} name
 * @property {number} size
 * @property {string} content_type
 * @property {number} created
 * @property {string} url
 * @property {number[]} groups
 * @property {number | null} process
 * @property {{date: number | null, exposure: number | null, filter: string | null, instrument: string | null, width: number | null, height: number | null} | null} fits
 * @property {"input" | "output"} kind
 * @property {string | null} night
 * @property {string | null} problem why it cannot be read
 * @property {string} [data_product_type] its pipeline's word for what kind of file it is
 */

/**
 * @typedef {object} Wanted what is shown, and in which order
 * @property {"input" | "output" | "all"} kind
 * @property {Record<string, Set<string>>} facets the values that are wanted; without any, all
 * @property {string} words
 * @property {string} sort
 * @property {boolean} descending
 */

/** How many outputs are among the results. */
const NEWEST = 6;
/** @type {Record<string, (frame: Frame) => string>} the values of the facets, "" for none */
const FACETS = {
  night: (frame) => frame.night ?? "",
  filter: (frame) => frame.fits?.filter ?? "",
  exposure: (frame) => (typeof frame.fits?.exposure === "number" ? String(Number(frame.fits.exposure.toPrecision(12))) : ""),
  instrument: (frame) => frame.fits?.instrument ?? "",
  type: (frame) => frame.data_product_type ?? "",
};
export const FACET_NAMES = Object.keys(FACETS);

/** @type {Record<string, (frame: Frame) => number | string | null>} what rows are sorted by */
const KEYS = {
  date: (frame) => frame.fits?.date ?? null,
  name: (frame) => frame.name.toLowerCase(),
  exposure: (frame) => frame.fits?.exposure ?? null,
  filter: (frame) => frame.fits?.filter?.toLowerCase() || null,
  instrument: (frame) => frame.fits?.instrument?.toLowerCase() || null,
  pixels: (frame) => (frame.fits?.width && frame.fits.height ? frame.fits.width * frame.fits.height : null),
  created: (frame) => frame.created,
  size: (frame) => frame.size,
};

/**
 * Read what the query of an address asks for; what cannot be meant is left aside.
 *
 * @param {string} query
 * @returns {Wanted}
 */
export function wantedBy(query) {
  const given = new URLSearchParams(query);
  const kind = given.get("kind") === "output" || given.get("kind") === "all" ? given.get("kind") : "input";
  const order = given.get("sort") || usualOrder(String(kind));
  const sort = order.replace(/^-/, "");
  const facets = FACET_NAMES.filter((name) => given.has(name)).map((name) => [name, new Set(given.getAll(name))]);
  return {
    kind: /** @type {Wanted["kind"]} */ (kind),
    facets: Object.fromEntries(facets),
    words: (given.get("q") ?? "").trim().toLowerCase(),
    sort: sort in KEYS ? sort : "date",
    descending: order.startsWith("-"),
  };
}

/**
 * Return the query of an address that asks for this, empty for what is shown without any.
 *
 * @param {Wanted} wanted
 */
export function queryOf({ kind, facets, words, sort, descending }) {
  const query = new URLSearchParams();
  if (kind !== "input") query.set("kind", kind);
  for (const name of FACET_NAMES) for (const value of facets[name] ?? []) query.append(name, value);
  if (words) query.set("q", words);
  const order = (descending ? "-" : "") + sort;
  if (order !== usualOrder(kind)) query.set("sort", order);
  const text = query.toString();
  return text ? `?${text}` : "";
}

/** @param {string} kind */
function usualOrder(kind) {
  return kind === "output" ? "-created" : "date";
}

/**
 * @param {Frame} frame
 * @param {Wanted} wanted
 * @param {string} [but] a facet that is left open, or "kind"
 */
function takes(frame, wanted, but) {
  if (but !== "kind" && wanted.kind !== "all" && wanted.kind !== frame.kind) return false;
  for (const name of FACET_NAMES) {
    const values = wanted.facets[name];
    if (name !== but && values?.size && !values.has(FACETS[name](frame))) return false;
  }
  return !wanted.words || searched(frame).includes(wanted.words);
}

/** @type {WeakMap<Frame, string>} */
const texts = new WeakMap();

/** @param {Frame} frame */
function searched(frame) {
  const known = texts.get(frame);
  if (known !== undefined) return known;
  const date = frame.fits?.date;
  const stamp = typeof date === "number" ? new Date(date * 1000).toISOString().slice(0, 19).replace("T", " ") : "";
  const facts = [frame.name, stamp, frame.fits?.filter, frame.fits?.instrument, FACETS.exposure(frame), FACETS.type(frame)];
  const text = facts.filter(Boolean).join(" ").toLowerCase();
  texts.set(frame, text);
  return text;
}

/**
 * Return the frames that are wanted, in the order that is wanted; what has no value comes last.
 *
 * @param {Frame[]} frames
 * @param {Wanted} wanted
 */
export function shownOf(frames, wanted) {
  const key = KEYS[wanted.sort];
  const turn = wanted.descending ? -1 : 1;
  return frames
    .filter((frame) => takes(frame, wanted))
    .map((frame) => ({ frame, key: key(frame) }))
    .sort((one, other) => compared(one.key, other.key, turn) || one.frame.pk - other.frame.pk)
    .map(({ frame }) => frame);
}

/**
 * @param {number | string | null} one
 * @param {number | string | null} other
 * @param {number} turn
 */
function compared(one, other, turn) {
  if (one === other) return 0;
  if (one === null) return 1;
  if (other === null) return -1;
  return one < other ? -turn : turn;
}

/**
 * Return the frames in the order in which they were taken, those without a date last.
 *
 * @param {Frame[]} frames
 */
export function inOrderOfObservation(frames) {
  return shownOf(frames, { kind: "all", facets: {}, words: "", sort: "date", descending: false });
}

/**
 * Return the PKs of the newest film and of the newest outputs, as the page has them that shows them.
 *
 * @param {Frame[]} frames newest first
 */
export function newestOf(frames) {
  const outputs = frames.filter(({ kind }) => kind === "output");
  const film = outputs.find(({ content_type }) => content_type.startsWith("video/") || content_type === "image/gif");
  return [film?.pk ?? "", ...outputs.slice(0, NEWEST).map(({ pk }) => pk)].join();
}

/**
 * Count the frames of each kind, as far as they are wanted otherwise.
 *
 * @param {Frame[]} frames
 * @param {Wanted} wanted
 */
export function kindsOf(frames, wanted) {
  const counts = { input: 0, output: 0, all: 0 };
  for (const frame of frames) {
    if (!takes(frame, wanted, "kind")) continue;
    counts[frame.kind]++;
    counts.all++;
  }
  return counts;
}

/**
 * Count the values of a facet under all others, sorted: nights newest first, none last.
 *
 * @param {Frame[]} frames
 * @param {Wanted} wanted
 * @param {string} name
 * @returns {{value: string, count: number, wanted: boolean}[]}
 */
export function optionsOf(frames, wanted, name) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const value of wanted.facets[name] ?? []) counts.set(value, 0);
  for (const frame of frames) {
    if (takes(frame, wanted, name)) counts.set(FACETS[name](frame), (counts.get(FACETS[name](frame)) ?? 0) + 1);
  }
  return [...counts]
    .map(([value, count]) => ({ value, count, wanted: wanted.facets[name]?.has(value) ?? false }))
    .sort((one, other) => Number(!one.value) - Number(!other.value) || ordered(name, one.value, other.value));
}

/**
 * @param {string} name
 * @param {string} one
 * @param {string} other
 */
function ordered(name, one, other) {
  if (name === "exposure") return Number(one) - Number(other);
  if (name === "night") return compared(other, one, 1);
  return compared(one.toLowerCase(), other.toLowerCase(), 1);
}

/**
 * Return the newest nights of the inputs, newest first, and how many frames each filter has.
 *
 * @param {Frame[]} frames
 * @param {number} most
 * @returns {{name: string, count: number, filters: [name: string, count: number][]}[]}
 */
export function nightsOf(frames, most) {
  /** @type {Map<string, Map<string, number>>} */
  const nights = new Map();
  for (const frame of frames) {
    if (frame.kind !== "input" || !frame.night) continue;
    const filters = nights.get(frame.night) ?? new Map();
    nights.set(frame.night, filters);
    filters.set(FACETS.filter(frame), (filters.get(FACETS.filter(frame)) ?? 0) + 1);
  }
  return [...nights]
    .sort(([one], [other]) => compared(other, one, 1))
    .slice(0, most)
    .map(([name, filters]) => ({
      name,
      count: [...filters.values()].reduce((sum, count) => sum + count, 0),
      filters: [...filters].sort(([one], [other]) => compared(one, other, 1)),
    }));
}
