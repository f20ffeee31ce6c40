/**
 * Ask the server of `bipedal watch` for better models while a training goes on.
 * @module
 */

import { say } from "./dom.mjs";
import { unpackModel } from "./model.mjs";

/** ms from one question to the next. */
const APART = 2000;

/**
 * @param {import("./player.mjs").Player} player
 * @param {import("./files.mjs").Files} files
 * @param {string} known revision of the models in the page
 */
export async function follow(player, files, known) {
  for (;;) {
    await new Promise((resume) => setTimeout(resume, APART));
    const answer = await fetch(`models.json?known=${known}`).catch(() => undefined);
    if (answer === undefined) return say("The server has ended; what is here goes on.");
    if (answer.status !== 200) continue;
    const { revision, models, note } = await answer.json();
    known = revision;
    // A visitor who is at work is not interrupted: the last episode of a model ends by itself.
    while (player.race.events.length > 0 && !player.race.over) {
      say("A better model is here. It walks when this episode ends.");
      await new Promise((resume) => setTimeout(resume, APART));
    }
    files.showModels(models.map(unpackModel));
    say(`A better model: ${note}.`, "good");
  }
}
