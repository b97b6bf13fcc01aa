// @ts-check
/**
 * Uploads to a target, in the order in which the files were taken; of those that it has already, only
 * on request.
 */

import { part } from "../../draw/find.js";
import { UploadLine } from "../../draw/product/upload_line.js";
import { UploadRows } from "../../draw/product/upload_rows.js";
import { get } from "../../server/api.js";
import { sha256Of } from "../../server/digest.js";
import { inOrderOfObservation } from "../../server/observed.js";
import { Uploads } from "../../server/uploads.js";

const PAGE = 1000;
const MOST_PAGES = 10;

/** @typedef {{name: string, size: number, sha256: string}} Product */

/**
 * @param {number} target
 * @returns {(files: File[]) => void} takes more files
 */
export function openUploads(target) {
  /** @type {Product[]} */
  let known = [];
  const uploads = new Uploads(target, (upload) => {
    if (upload.state === "stored") upload.problem = sameIn(known, upload.stored?.sha256)?.name ?? "";
    rows.draw(upload);
    line.note(upload);
    if (upload.stored) known.push(upload.stored);
  });
  const line = new UploadLine(part("#upload-line"));
  const rows = new UploadRows(part("#uploads"), {
    again: (upload) => uploads.retry(upload),
    away: forget,
  });
  /** @param {import("../../server/uploads.js").Upload} upload */
  function forget(upload) {
    rows.remove(upload);
    line.forget(upload);
  }
  const take = async (/** @type {File[]} */ files) => {
    const [ordered, products] = await Promise.all([inOrderOfObservation(files), productsOf(target, known)]);
    known = products;
    const planned = ordered.map((file) => uploads.plan(file)); // so that their number is known
    for (const upload of planned) uploads.start(upload, (await sameFile(known, upload.file))?.name);
  };
  part('#upload-line [data-act="stop"]').addEventListener("click", () => uploads.stop().forEach(forget));
  part("#retry-failed").addEventListener("click", () => {
    for (const upload of rows.failed) uploads.retry(upload);
  });
  addEventListener("beforeunload", (event) => {
    if (uploads.busy) event.preventDefault();
  });
  return (files) => void take(files);
}

/**
 * Fetch the data products of the target, the newest if they are very many.
 *
 * @param {number} target
 * @param {Product[]} before what was known before, returned if they cannot be fetched
 * @returns {Promise<Product[]>}
 */
async function productsOf(target, before) {
  /** @type {Product[]} */
  const found = [];
  let cursor = "";
  try {
    for (let page = 0; page < MOST_PAGES; page++) {
      const { dataproducts, next } = await get(`/api/targets/${target}/dataproducts/?limit=${PAGE}${cursor}`);
      found.push(...dataproducts);
      if (next === null) break;
      cursor = `&before=${next}`;
    }
    return found;
  } catch {
    return before; // the upload itself will say what is wrong
  }
}

/**
 * Find the data product with the same bytes as a file. Most differ in size, and need no digest.
 *
 * @param {Product[]} known
 * @param {File} file
 */
async function sameFile(known, file) {
  const alike = known.filter((product) => product.size === file.size);
  return alike.length ? sameIn(alike, await sha256Of(file)) : undefined;
}

/**
 * @param {Product[]} known
 * @param {string | undefined} digest
 */
function sameIn(known, digest) {
  return digest ? known.find((product) => product.sha256 === digest) : undefined;
}
