// @ts-check
/** The frames of a film on the page of its process: those so far while it is made, and at the end all. */

import { drawFilmFrames } from "../../draw/process/frames.js";
import { get } from "../../server/api.js";

const REFRESH_MS = 1000;
/** With so many frames, they are asked for less often. */
const MANY_FRAMES = 1000;

/**
 * Draw the frames of a timelapse now, and anew as long as it runs and they are looked at.
 *
 * @param {any} first the record of the process
 * @param {(frames: import("../../draw/process/frames.js").Frame[]) => void} taken called with all frames
 * @returns {(record: any) => void} to be called with each newer record
 */
export function watchFrames(first, taken) {
  let [newest, asked, timer, count] = [first, "", 0, 0];
  const draw = async () => {
    const version = versionOf(newest);
    timer = 0;
    if (version === asked) return;
    try {
      const film = await get(`/api/processes/${newest.pk}/frames/`);
      count = film.frames.length;
      drawFilmFrames(film, newest.flags.align === true);
      taken(film.frames);
      asked = version;
      if (count < doneBy(newest)) {
        asked = ""; // what is known of a frame is stored a moment after the frame is made
        wait();
      }
    } catch {
      wait();
    }
  };
  const wait = () => {
    timer ||= setTimeout(draw, REFRESH_MS * Math.max(1, count / MANY_FRAMES));
  };
  void draw();
  return (record) => {
    const ended = newest.terminal_timestamp === null && record.terminal_timestamp !== null;
    newest = record;
    if (ended) void draw();
    else wait();
  };
}

/**
 * Return how many frames there are of a film that is being made.
 *
 * @param {any} record
 */
function doneBy({ terminal_timestamp: ended, progress }) {
  return ended === null && progress ? progress.done : 0;
}

/** @param {any} record */
function versionOf(record) {
  return JSON.stringify([record.attempt, record.terminal_timestamp, record.progress, record.log_lines]);
}
