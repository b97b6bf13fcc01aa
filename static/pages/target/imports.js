// @ts-check
/** Imports of tables into the light curve of the target. Loaded when somebody chooses tables. */

import { part } from "../../draw/find.js";
import { messageOf, showProblem } from "../../draw/problems.js";
import { Uploads } from "../../server/uploads.js";
import { importCurve } from "../importing.js";

/**
 * Upload tables and add their measurements to the light curve of the target.
 *
 * @param {number} target
 * @param {File[]} files
 */
export function importTables(target, files) {
  /** @type {string[]} */
  const news = [];
  /** @type {string[]} */
  const problems = [];
  const show = () => {
    part("#import-news").textContent = news.join(" ");
    showProblem(part("#import-problem"), problems.join(" "));
  };
  const take = async (/** @type {string} */ name, /** @type {number} */ product) => {
    try {
      news.push(`${name}: ${await importCurve(target, product)}`);
    } catch (error) {
      problems.push(messageOf(error));
    }
    show();
  };
  const uploads = new Uploads(target, ({ state, file, stored, problem }) => {
    if (state === "stored" && stored) void take(file.name, /** @type {any} */ (stored).pk);
    if (state === "failed") problems.push(`${file.name}: ${problem}`);
    show();
  });
  for (const file of files) uploads.add(file);
}
