// @ts-check
/** Keeps the page of a process right after the end, when its outputs, its log or itself may go. */

import { follow } from "../followed.js";

/**
 * @param {any} record
 * @param {(record: any) => void} changed called with the record each time that it has changed
 */
export function followAfterEnd({ pk, target }, changed) {
  follow(`/api/processes/${pk}/`, [target], ["processes", "products", "groups"], (newer) => {
    if (newer.terminal_timestamp !== null) changed(newer);
  });
}
