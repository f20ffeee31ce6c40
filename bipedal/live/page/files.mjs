/**
 * Links and files: what leaves the page, and what comes into it.
 * @module
 */

import { attempt, element, say } from "./dom.mjs";
import { checkModel, packModel, unpackModel } from "./model.mjs";
import { readModel } from "./model_file.mjs";
import { LONGEST_LINK, checkReplay, digestOfModel, makeReplay, packReplay, unpackReplay } from "./replay.mjs";

const MOST_MODELS = 4;
/** A link's fragment begins so. */
const MARK = "#replay=";
/** Suffix of a model in one file. */
const SINGLE = ".safetensors";

/** Saves and opens replays and models. */
export class Files {
  /**
   * @param {import("./player.mjs").Player} player
   * @param {import("./stage.mjs").Stage} stage
   * @param {import("./forms.mjs").Forms} forms
   */
  constructor(player, stage, forms) {
    this._player = player;
    this._stage = stage;
    this._forms = forms;
    element("link").onclick = () => attempt(() => this._copyLink());
    element("save").onclick = () => this._save();
    element("open").onchange = ({ target }) => {
      const files = [...target.files];
      target.value = "";
      attempt(() => this._open(files));
    };
    this._listenToDrops();
    stage.onRemove = (number) => {
      this.showModels(player.models.filter((_, i) => i !== number));
    };
    addEventListener("hashchange", () => attempt(() => this.openLink()));
    player.onReplayed = (same) =>
      same
        ? say(`Replayed to the same bits, ${player.race.digest}.`, "good")
        : say("This replay went another way than it did where it was made.", "bad");
  }

  _listenToDrops() {
    const mark = (on) => document.body.classList.toggle("dropping", on);
    addEventListener("dragover", (event) => {
      event.preventDefault();
      mark(true);
    });
    addEventListener("dragleave", () => mark(false));
    addEventListener("drop", (event) => {
      event.preventDefault();
      mark(false);
      const files = [...event.dataTransfer.files];
      attempt(() => this._open(files));
    });
  }

  // Out --------------------------------------------------------------------------------------------

  async _copyLink() {
    const { race } = this._player;
    const fragment = MARK + (await packReplay(makeReplay(race)));
    if (fragment.length > LONGEST_LINK) {
      throw new Error("This is too much for a link: save it as a file");
    }
    const link = location.href.split("#")[0] + fragment;
    element("link-text").value = link;
    element("link-row").hidden = false;
    try {
      await navigator.clipboard.writeText(link);
      say("The link is copied.", "good");
    } catch {
      element("link-text").select();
      say("Copy the link from its field.");
    }
  }

  _save() {
    const { race } = this._player;
    const models = race.runners.map(({ model }) => packModel(model));
    const text = JSON.stringify({ ...makeReplay(race), model_data: models });
    const address = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    Object.assign(document.createElement("a"), {
      href: address,
      download: `walk-${race.start.seed}-${race.digest.slice(0, 8)}.json`,
    }).click();
    URL.revokeObjectURL(address);
  }

  // In ---------------------------------------------------------------------------------------------

  /** Play what the page's address holds, if it holds a replay. */
  async openLink() {
    if (!location.hash.startsWith(MARK)) return;
    const replay = await unpackReplay(location.hash.slice(MARK.length));
    this._replay(replay, this._player.models);
  }

  /** Play a replay with those of the models at hand that it was made with. */
  _replay(replay, models) {
    const known = new Map(models.map((model) => [digestOfModel(model), model]));
    const needed = replay.models.map((digest) => known.get(digest));
    if (needed.includes(undefined)) {
      throw new Error("This was made with models that are not in this page: open its file instead");
    }
    this._setModels(needed);
    this._forms.fill(replay.start);
    this._player.begin(replay.start, replay);
  }

  /** Let these models walk instead. @param {import("./policy.mjs").Model[]} models */
  showModels(models) {
    this._setModels(models);
    this._forms.begin();
  }

  _setModels(models) {
    this._player.setModels(models);
    this._stage.listModels();
  }

  async _open(files) {
    const replay = files.find(({ name }) => name.endsWith(".json"));
    if (replay !== undefined) return this._openReplay(replay);
    const models = await Promise.all(pairFiles(files).map(openModel));
    const [first] = models;
    this.showModels([...models, ...this._player.models].slice(0, MOST_MODELS));
    say(`${first.name} walks. It stays on this computer.`, "good");
  }

  async _openReplay(file) {
    let value;
    let models;
    try {
      value = JSON.parse(await file.text());
      models = value.model_data.map((packed) => checkModel(unpackModel(packed)));
    } catch {
      throw new Error(`${file.name} is no replay of a page like this one, or it is damaged`);
    }
    const replay = checkReplay(value);
    if (models.length < 1 || models.length > MOST_MODELS) throw new Error("This file is damaged");
    this._replay(replay, models);
  }
}

/** Weights with the statistics that belong to them; a .safetensors has its own. @returns {File[][]} */
function pairFiles(files) {
  const single = files.filter(({ name }) => name.endsWith(SINGLE));
  const weights = files.filter(({ name }) => name.endsWith(".pth"));
  const statistics = files.filter(({ name }) => name.endsWith(".pkl"));
  if (single.length + weights.length === 0) {
    throw new Error("Drop a .safetensors, or a .pth together with its _stats.pkl");
  }
  const pairs = weights.map((file) => {
    const wanted = file.name.replace(/\.pth$/, "_stats.pkl");
    const alone = weights.length === 1 && statistics.length === 1;
    const found = alone ? statistics[0] : statistics.find(({ name }) => name === wanted);
    if (found === undefined) {
      throw new Error(`${wanted} is missing: drop it together with ${file.name}`);
    }
    return [file, found];
  });
  return [...single.map((file) => [file]), ...pairs];
}

/** @param {File[]} files one or two of a model @returns {Promise<import("./policy.mjs").Model>} */
async function openModel(files) {
  const [weights] = files;
  const name = weights.name.replace(/\.(pth|safetensors)$/, "");
  try {
    const contents = await Promise.all(files.map((file) => file.arrayBuffer()));
    return await readModel(name, ...contents.map((buffer) => new Uint8Array(buffer)));
  } catch (error) {
    throw new Error(`${weights.name} cannot walk here: ${error.message}`);
  }
}
