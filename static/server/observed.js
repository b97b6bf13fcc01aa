// @ts-check
/** When the frames in files that are about to be uploaded were taken (FITS Standard 4.0, 4.4.2.1). */

/** A header is made of blocks of so many bytes; the date is mostly in the first few. */
const READ_BYTES = 4 * 2880;
const FITS = /^SIMPLE {2}= {20}T/;
const DATE = /^DATE-OBS= *'(\d{4}-\d\d-\d\d(?:T[\d:.]+)?)/;
const AT_ONCE = 50;

/**
 * Sort files by the time at which they were taken, those that do not tell after the others, by name.
 *
 * @param {File[]} files
 * @returns {Promise<File[]>}
 */
export async function inOrderOfObservation(files) {
  /** @type {{file: File, date: string}[]} */
  const dated = [];
  for (let start = 0; start < files.length; start += AT_ONCE) {
    const some = files.slice(start, start + AT_ONCE);
    dated.push(...(await Promise.all(some.map(async (file) => ({ file, date: await dateOf(file) })))));
  }
  const names = new Intl.Collator(undefined, { numeric: true });
  const last = "\uffff";
  return dated
    .sort((one, other) => {
      const [first, second] = [one.date || last, other.date || last];
      if (first !== second) return first < second ? -1 : 1;
      return names.compare(one.file.name, other.file.name);
    })
    .map(({ file }) => file);
}

/**
 * @param {File} file
 * @returns {Promise<string>} the time as its header has it, empty without one
 */
async function dateOf(file) {
  try {
    const start = await file.slice(0, READ_BYTES).text();
    return FITS.test(start) ? dateIn(start) : "";
  } catch {
    return ""; // the upload itself will say what is wrong
  }
}

/** @param {string} header */
function dateIn(header) {
  for (let at = 0; at + 80 <= header.length; at += 80) {
    const found = DATE.exec(header.slice(at, at + 80));
    if (found) return found[1];
    if (header.startsWith("END     ", at)) return "";
  }
  return "";
}
