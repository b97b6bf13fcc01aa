// @ts-check
/**
 * Writes times, durations and sizes for people, as `handlers/pages/formatting.py` does on the server.
 */

const [MINUTE, HOUR, DAY] = [60, 3600, 86400];

/**
 * @param {number} seconds an instant, in Unix seconds
 * @param {number} now
 */
export function ago(seconds, now) {
  const age = now - seconds;
  if (age < 10) return "just now";
  if (age < MINUTE) return `${Math.floor(age)} s ago`;
  if (age < HOUR) return `${Math.floor(age / MINUTE)} min ago`;
  if (age < DAY) return `${Math.floor(age / HOUR)} h ago`;
  const days = Math.floor(age / DAY);
  if (days <= 30) return `${days} day${days > 1 ? "s" : ""} ago`;
  return new Date(seconds * 1000).toISOString().slice(0, 10);
}

/** @param {number} seconds */
export function exact(seconds) {
  return `${new Date(seconds * 1000).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** @param {number} value */
export const twoDigits = (value) => String(value).padStart(2, "0");

/** @param {number} seconds a length of time */
export function duration(seconds) {
  if (seconds > 0 && seconds < 1) return "< 1 s";
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < MINUTE) return `${whole} s`;
  if (whole < HOUR) return `${Math.floor(whole / MINUTE)} min ${twoDigits(whole % MINUTE)} s`;
  if (whole < DAY) return `${Math.floor(whole / HOUR)} h ${twoDigits(Math.floor((whole % HOUR) / MINUTE))} min`;
  return `${Math.floor(whole / DAY)} d ${Math.floor((whole % DAY) / HOUR)} h`;
}

/** @param {number} count of bytes */
export function size(count) {
  if (count < 1000) return `${Math.floor(count)} B`;
  for (const unit of ["kB", "MB", "GB"]) {
    count /= 1000;
    if (count < 999.95) return `${(Math.floor(count * 10 + 0.5) / 10).toFixed(1)} ${unit}`;
  }
  return `${(Math.floor(count / 100 + 0.5) / 10).toFixed(1)} TB`;
}

/**
 * Write how much of a size there is, both in the unit of the whole.
 *
 * @param {number} count of bytes
 * @param {number} whole
 */
export function sizeOf(count, whole) {
  const [words, unit] = size(whole).split(" ");
  const unitBytes = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 }[unit] ?? 1;
  const part = Math.floor((Math.min(count, whole) / unitBytes) * 10) / 10;
  return `${unit === "B" ? Math.floor(part) : part.toFixed(1)} of ${words} ${unit}`;
}

/** @param {number} value */
export function number(value) {
  const text = Number.isInteger(value) ? String(value) : value.toFixed(2);
  return text.replace(/\B(?=(\d{3})+(?!\d))(?<!\.\d*)/g, "\u202f");
}

/** @param {{done: number, total: number} | null} progress */
export function share(progress) {
  return progress ? `${number(progress.done)} / ${number(progress.total)}` : "";
}

/**
 * Return the status of a process in the words of pages: a success is called one.
 *
 * @param {any} record
 * @returns {string}
 */
export function statusOf(record) {
  return record.state === "succeeded" ? "Succeeded" : record.status;
}

/**
 * Return what there is to say about a process besides its status.
 *
 * @param {any} record
 */
export function note(record) {
  if (record.terminal_timestamp !== null) {
    const message = record.failure_message ?? "";
    return message.toLowerCase() === record.status ? "" : message;
  }
  if (record.stopping) return "Stopping…";
  const waits = record.waiting_for ?? "";
  if (record.state !== "queued" || !record.attempt) return waits;
  return `Attempt ${record.attempt + 1} waits. ${waits}`.trim();
}

/** @param {{cpu_seconds: number | null, peak_rss_bytes: number | null, exit: string} | null} used */
export function resources(used) {
  if (!used) return "";
  const facts = [];
  if (used.cpu_seconds !== null) facts.push(`${(Math.floor(used.cpu_seconds * 10 + 0.5) / 10).toFixed(1)} s CPU`);
  if (used.peak_rss_bytes !== null) facts.push(size(used.peak_rss_bytes));
  if (used.exit !== "exit code 0") facts.push(used.exit);
  return facts.join(" · ");
}

/**
 * @param {number} count
 * @param {string} noun
 */
export function counted(count, noun) {
  return `${number(count)} ${noun}${count === 1 ? "" : "s"}`;
}

const NAMED_FILES = 3;

/** @param {string[]} names of files, of which the first are written */
export function listed(names) {
  const more = names.length - NAMED_FILES;
  return names.slice(0, NAMED_FILES).join(", ") + (more > 0 ? ` and ${number(more)} more` : "");
}
