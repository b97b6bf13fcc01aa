// @ts-check
/** Deletes processes and data products, once it is confirmed, with some seconds to undo it. */

import { part } from "../../../draw/find.js";
import { messageOf, showProblem } from "../../../draw/problems.js";
import { ask } from "../../../draw/question.js";
import { counted, number } from "../../../draw/wording.js";
import { deleteSoon } from "./undo.js";

/**
 * @param {number} pk
 * @param {string} identifier
 * @param {(deleted: boolean) => void} setDeleted called when it is to be shown no more, or again
 */
export async function deleteProcess(pk, identifier, setDeleted) {
  if (!(await ask(`Delete ${identifier} with its log and its outputs?`))) return;
  setDeleted(true);
  deleteSoon({
    words: `${identifier} deleted.`,
    kind: "processes",
    pks: [pk],
    undone: () => setDeleted(false),
    done(problem) {
      if (problem) showProblem(part("#process-problem"), messageOf(problem.error));
      setDeleted(false);
    },
  });
}

/**
 * @param {import("../../../draw/target/frame_list.js").Frame[]} frames
 * @param {number} hidden how many of them are not shown
 * @param {ReturnType<typeof import("../products.js").watchProducts>} list
 */
export async function deleteProducts(frames, hidden, list) {
  const place = part("#product-problem");
  const words = counted(frames.length, "data product");
  const unseen = hidden ? ` ${number(hidden)} of them ${hidden === 1 ? "is" : "are"} not shown now.` : "";
  if (!(await ask(`Delete ${words}?${unseen}`))) return;
  showProblem(place, "");
  list.setDeleted(frames, true);
  deleteSoon({
    words: `${words} deleted.`,
    kind: "dataproducts",
    pks: frames.map(({ pk }) => pk),
    undone() {
      list.setDeleted(frames, false);
      list.selection.chooseOnly([...list.selection.chosen.values(), ...frames]);
    },
    done(problem) {
      const refused = frames.find(({ pk }) => problem?.pk === pk);
      if (problem) showProblem(place, `${refused?.name}: ${messageOf(problem.error)}`);
      void list.refresh().catch(() => {}).then(() => list.setDeleted(frames, false));
    },
  });
}
