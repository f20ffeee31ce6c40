/**
 * The elements of the page.
 * @module
 */

/** @param {string} id @returns {any} the element */
export const element = (id) => document.getElementById(id);

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
