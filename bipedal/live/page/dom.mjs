/**
 * The elements of the page.
 * @module
 */

/** @param {string} id @returns {any} the element */
export const element = (id) => document.getElementById(id);

/** Change a text, if it is another: even the same one costs the browser a layout. */
export function write(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

/**
 * Tell the visitor something, below the picture; screen readers read it out.
 * @param {string} text
 * @param {"" | "good" | "bad"} kind
 */
export function say(text, kind = "") {
  element("status").textContent = text;
  element("status").dataset.kind = kind;
}

/** Do something that may fail with a sentence for the visitor. @param {() => unknown} job */
export async function attempt(job) {
  try {
    await job();
  } catch (error) {
    say(`${error.message}.`, "bad");
  }
}
