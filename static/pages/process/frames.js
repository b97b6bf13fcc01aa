// @ts-check
/** The frames of a film on the page of its process: asked for when somebody looks, and at the end. */

import { part } from "../../draw/find.js";
import { drawFilmFrames } from "../../draw/process/frames.js";
import { get } from "../../server/api.js";

const REFRESH_MS = 3000;

/**
 * Draw the frames of a timelapse now, and anew as long as it runs and they are looked at.
 *
 * @param {any} first the record of the process
 * @returns {(record: any) => void} to be called with each newer record
 */
export function watchFrames(first) {
  const place = /** @type {HTMLDetailsElement} */ (part("#film"));
  let [newest, asked, timer] = [first, "", 0];
  const draw = async () => {
    const version = versionOf(newest);
    timer = 0;
    if (version === asked) return;
    try {
      const film = await get(`/api/processes/${newest.pk}/frames/`);
      drawFilmFrames(film, newest.flags.align === true);
      asked = version;
    } catch {
      wait();
    }
  };
  const wait = () => {
    timer ||= setTimeout(draw, REFRESH_MS);
  };
  place.addEventListener("toggle", () => place.open && void draw());
  void draw();
  return (record) => {
    const ended = newest.terminal_timestamp === null && record.terminal_timestamp !== null;
    newest = record;
    if (ended) void draw();
    else if (place.open || place.hidden) wait();
  };
}

/** @param {any} record */
function versionOf(record) {
  return JSON.stringify([record.attempt, record.terminal_timestamp, record.progress, record.log_lines]);
}
