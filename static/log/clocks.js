// @ts-check
/** Writes the time of each log line as the reader chose: UTC, local, or since the start. */

import { twoDigits } from "../draw/wording.js";

/**
 * @param {string} kind
 * @param {() => number} start of the process, in Unix seconds
 * @returns {(seconds: number) => string}
 */
export function clockOf(kind, start) {
  switch (kind) {
    case "utc":
      return (seconds) => new Date(seconds * 1000).toISOString().slice(11, 19);
    case "local":
      return localTime;
    case "start":
      return (seconds) => sinceStart(seconds - start());
    case "none":
      return () => "";
    default:
      throw new Error(`Unknown clock ${kind}`);
  }
}

/** @param {number} seconds */
function localTime(seconds) {
  const time = new Date(seconds * 1000);
  return `${twoDigits(time.getHours())}:${twoDigits(time.getMinutes())}:${twoDigits(time.getSeconds())}`;
}

/** @param {number} seconds */
function sinceStart(seconds) {
  const whole = Math.max(0, seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  const rest = (whole % 60).toFixed(hours ? 0 : 1).padStart(hours ? 2 : 4, "0");
  return hours ? `${hours}:${twoDigits(minutes)}:${rest}` : `${twoDigits(minutes)}:${rest}`;
}
