/**
 * The page: it puts the parts together, keeps time, and brings the proof.
 * @module
 */

import { attempt, element } from "./dom.mjs";
import { compileEngine } from "./engine.mjs";
import { Files } from "./files.mjs";
import { follow } from "./follow.mjs";
import { Forms } from "./forms.mjs";
import { Keyboard } from "./keyboard.mjs";
import { bytesOf, unpackModel } from "./model.mjs";
import { compare } from "./parity.mjs";
import { Player } from "./player.mjs";
import { Pointer } from "./pointer.mjs";
import { Stage } from "./stage.mjs";

/** Factor of one press of a zoom button. */
const ZOOM = 1.25;

/** The models and episodes in the page, with their numbers as typed arrays. */
function unpack({ models, episodes, ...rest }) {
  return {
    ...rest,
    models: models.map(unpackModel),
    episodes: episodes.map((episode) => ({
      ...episode,
      actions: episode.actions && new Float32Array(bytesOf(episode.actions).buffer),
      digests: new BigUint64Array(bytesOf(episode.digests).buffer),
    })),
  };
}

/** Play, pause, steps, speed, zoom: buttons and keys. */
function listen(player, { view }, forms) {
  const actions = {
    " ": () => (player.race.over ? forms.begin() : player.play(!player.playing)),
    ArrowRight: () => attempt(() => player.move(1)),
    ArrowLeft: () => attempt(() => player.move(-1)),
    "+": () => view.zoom(ZOOM),
    "-": () => view.zoom(1 / ZOOM),
    b: () => forms.throwBall(),
  };
  const buttons = { play: " ", step: "ArrowRight", back: "ArrowLeft", closer: "+", farther: "-" };
  for (const [id, key] of Object.entries(buttons)) element(id).onclick = actions[key];
  element("time").oninput = () => {
    player.play(false);
    attempt(() => player.race.goTo(Number(element("time").value)));
  };
  element("speed").onchange = () => (player.speed = Number(element("speed").value));
  new Keyboard(player, actions);
}

/** Advance and draw, as often as the screen shows a picture. */
function run(player, stage, forms) {
  let last;
  const frame = (now) => {
    attempt(() => player.advance(last === undefined ? 0 : (now - last) / 1000));
    last = now;
    stage.show();
    forms.showLaws();
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}

/** Let the browser draw and listen. */
const pause = () => new Promise((resume) => setTimeout(resume));

/** Play the episodes one by one, and say how many steps are the same. */
async function prove(module, episodes, models) {
  let [identical, total] = [0, 0];
  for (const episode of episodes) {
    const result = await compare(module, episode, models, pause);
    identical += result.identical;
    total += result.total;
    const row = element("episodes").insertRow();
    row.insertCell().textContent = episode.name;
    row.insertCell().textContent = `${result.identical} of ${result.total}`;
  }
  element("parity").textContent = `${identical} of ${total} steps identical`;
  element("parity").dataset.same = String(identical === total);
}

async function start() {
  const began = performance.now();
  const data = unpack(JSON.parse(element("data").textContent));
  const module = await compileEngine(bytesOf(data.engine));
  const player = new Player(module, data.models);
  const stage = new Stage(player, data.gait);
  const forms = new Forms(player, data.difficulty);
  const files = new Files(player, stage, forms);
  new Pointer(player, stage);
  listen(player, stage, forms);
  stage.listModels();
  forms.fill({ seed: element("seed").value, hardcore: data.hardcore, difficulty: null });
  forms.begin();
  player.race.step();
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) player.play(false);
  element("ready").textContent = `First step after ${(performance.now() - began).toFixed(0)} ms.`;
  run(player, stage, forms);
  await attempt(() => files.openLink());
  if (data.revision !== null) follow(player, files, data.revision);
  await prove(module, data.episodes, data.models);
}

start().catch((error) => {
  element("parity").textContent = `This browser cannot run the page: ${error.message}`;
  throw error;
});
