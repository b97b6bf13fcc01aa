// @ts-check
/** What is said of a night of a target: when to observe it, what happens in it, how things stand. */

/** @typedef {"day" | "civil" | "nautical" | "astronomical" | "night"} Phase */
/**
 * @typedef {object} Night as the API has it
 * @property {string} night
 * @property {number} start
 * @property {number} end
 * @property {{name: string | null, timezone: string | null, utc_offset: number}} site
 * @property {number[]} times
 * @property {number[]} altitude
 * @property {(number | null)[]} airmass
 * @property {{time: number, altitude: number}} culmination
 * @property {number[]} rises
 * @property {number[]} sets
 * @property {"up" | "down" | null} always
 * @property {{altitude: number[], phases: {phase: Phase, start: number, end: number}[]}} sun
 * @property {{altitude: number[], separation: number[], illumination: number, phase: string, rises: number[], sets: number[], always: "up" | "down" | null}} moon
 * @property {{start: number, end: number, altitude: number, airmass: number, moon_up: boolean} | null} best
 * @property {string | null} reason
 */

/** From light to dark. */
const PHASES = ["day", "civil", "nautical", "astronomical", "night"];
const DARKER = ["Sunset", "Civil twilight ends", "Nautical twilight ends", "Astronomical twilight ends"];
const LIGHTER = ["Sunrise", "Civil twilight begins", "Nautical twilight begins", "Astronomical twilight begins"];
const HOUR = 3600;
/** More than the night is shown on either side. */
const MARGIN = HOUR;

/** @param {number} seconds */
export function utc(seconds) {
  return new Date((seconds + 30) * 1000).toISOString().slice(11, 16);
}

/**
 * Return what writes times as the clocks of the site show them.
 *
 * @param {Night["site"]} site
 * @returns {(seconds: number) => string}
 */
export function clockOf({ timezone, utc_offset }) {
  const solar = (/** @type {number} */ seconds) => utc(seconds + utc_offset);
  if (!timezone) return solar;
  try {
    const format = new Intl.DateTimeFormat("en-GB", { timeZone: timezone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
    return (seconds) => format.format((seconds + 30) * 1000);
  } catch {
    return solar; // a zone that the browser does not know
  }
}

/** @param {Night["site"]} site */
export function nameOfClock({ timezone }) {
  return timezone ? timezone.replaceAll("_", " ") : "mean solar time";
}

/** @param {Night} night */
export function headline({ times, best, reason, moon }) {
  const at = best ? (best.start + best.end) / 2 : (times[0] + times[times.length - 1]) / 2;
  const away = `${Math.round(valueAt(at, times, moon.separation))}° away`;
  const lit = `Moon ${Math.round(moon.illumination * 100)} %`;
  if (!best) return `${reason} ${lit}, ${away}.`;
  const when = `Best ${utc(best.start)}–${utc(best.end)} UTC, up to ${Math.round(best.altitude)}° (airmass ${best.airmass.toFixed(2)}).`;
  return `${when} ${lit}, ${best.moon_up ? away : "below the horizon"}.`;
}

/**
 * Return from when to when a night is shown: not all of the day before it and after it.
 *
 * @param {Night} night
 * @returns {[number, number]}
 */
export function shownSpan({ start, end, sun }) {
  const dark = sun.phases.filter(({ phase }) => phase !== "day");
  if (!dark.length) return [start, end];
  return [Math.max(start, dark[0].start - MARGIN), Math.min(end, dark[dark.length - 1].end + MARGIN)];
}

/**
 * Return when a night is over: at sunrise, or at noon where there is none.
 *
 * @param {Night} night
 */
export function endOf({ sun, end }) {
  const last = sun.phases[sun.phases.length - 1];
  return last.phase === "day" && sun.phases.length > 1 ? last.start : end;
}

/**
 * Return what happens, in order of time.
 *
 * @param {Night} night
 * @param {string} name of the target
 * @returns {[number, string][]}
 */
export function eventsOf({ sun, moon, best, culmination, rises, sets }, name) {
  /** @type {[number, string][]} */
  const events = sun.phases.slice(1).map(({ phase, start }, at) => [start, passage(sun.phases[at].phase, phase)]);
  for (const time of rises) events.push([time, `${name} rises`]);
  for (const time of sets) events.push([time, `${name} sets`]);
  if (culmination.altitude >= 0) events.push([culmination.time, `${name} culminates at ${culmination.altitude.toFixed(1)}°`]);
  for (const time of moon.rises) events.push([time, "The Moon rises"]);
  for (const time of moon.sets) events.push([time, "The Moon sets"]);
  if (best) events.push([best.start, "The best time begins"], [best.end, "The best time ends"]);
  return events.sort(([one], [other]) => one - other);
}

/**
 * Return what does not happen in it, and how the Moon is.
 *
 * @param {Night} night
 * @param {string} name
 */
export function notesOn({ always, moon, sun, reason }, name) {
  const notes = [`Moon: ${moon.phase}, ${Math.round(moon.illumination * 100)} % lit.`];
  if (moon.always) notes.push(`The Moon does not ${moon.always === "up" ? "set" : "rise"}.`);
  if (always) notes.push(`${name} does not ${always === "up" ? "set" : "rise"}.`);
  const phases = new Set(sun.phases.map(({ phase }) => phase));
  if (!phases.has("day")) notes.push("The Sun does not rise.");
  else if (phases.size === 1) notes.push("The Sun does not set.");
  if (reason && !(always === "down" && reason === "It does not rise.")) notes.push(reason);
  return notes.join(" ");
}

/**
 * Return how things stand at each full hour.
 *
 * @param {Night} night
 * @param {(seconds: number) => string} local
 * @returns {string[][]}
 */
export function hoursOf(night, local) {
  const [from, to] = shownSpan(night);
  const { times, altitude, sun, moon } = night;
  const degrees = (/** @type {number} */ time, /** @type {number[]} */ values) => valueAt(time, times, values).toFixed(0);
  const rows = [];
  for (let time = Math.ceil(from / HOUR) * HOUR; time <= to; time += HOUR) {
    const airmass = night.airmass[Math.round((time - times[0]) / (times[1] - times[0]))];
    rows.push([
      utc(time), local(time), degrees(time, altitude), airmass ? airmass.toFixed(2) : "–",
      degrees(time, sun.altitude), degrees(time, moon.altitude), degrees(time, moon.separation),
    ]);
  }
  return rows;
}

/**
 * @param {number} time
 * @param {number[]} times evenly apart
 * @param {number[]} values
 */
function valueAt(time, times, values) {
  const at = Math.min(times.length - 1, Math.max(0, (time - times[0]) / (times[1] - times[0])));
  const before = Math.min(times.length - 2, Math.floor(at));
  return values[before] + (at - before) * (values[before + 1] - values[before]);
}

/**
 * @param {Phase} before
 * @param {Phase} after
 */
function passage(before, after) {
  const [from, to] = [PHASES.indexOf(before), PHASES.indexOf(after)];
  return from < to ? DARKER[to - 1] : LIGHTER[to];
}
