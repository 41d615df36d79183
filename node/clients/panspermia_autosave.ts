/*
 * Autosaves of a game: kept here first, then in a Panspermia node as soon as there is one.
 *
 * One file without dependencies, for browsers and for Node.js 20 or later: copy it into your game.
 * The universe is made once, by `panspermia universe create Main --id universe:main`: saves wait until it is there.
 *
 *     const saves = await Autosave.open({
 *       universe: "universe:main",
 *       store: new IndexedDbStore("my game"),       // or new FolderStore("saves"), new MemoryStore()
 *       node: async () => ({ url: "http://127.0.0.1:3000", token: "…" }),  // or nodeOf(home)
 *     });
 *     await saves.save(state, { tick: 1200 });      // kept when it resolves; no network is waited for
 *     saves.status().problem;                       // "" or a sentence: what is in the way
 *     await saves.latest();                         // what was saved last, whether a node has it or not
 *     await saves.close();                          // what waits is sent after the next start
 *
 * Saves are sent in order and tried again by themselves; one that cannot be read just now lets the others
 * go first. One program at a time uses a folder; tabs of a browser may share an IndexedDbStore.
 * Part of Panspermia, Apache-2.0.
 */

export type Kind = "auto" | "manual" | "canonical";
export type Ending = "save" | "sent" | "refused";

/** What is known of a save; in a folder it is the first line of its file. Times in ms since 1970. */
export interface Head {
  tick: number;
  kind: Kind;
  at_ms: number;
  size: number;
  /** By which the node knows it again, where an answer was lost. */
  key: string;
  day: number | null;
  event: CanonEvent | null;
  media: string;
}

export interface CanonEvent {
  type: string;
  title: string;
  description?: string;
  day?: number;
  importance?: number;
  entities?: string[];
  souls?: string[];
}

export interface Save extends Head {
  state: Uint8Array;
}

export interface Row {
  number: number;
  ending: Ending;
  bytes: number;
  /** null: it cannot be read just now. */
  kind: Kind | null;
}

/**
 * Where saves wait. `put` resolves when the save is kept; what it keeps is whole or not there. Where
 * two programs share a store it rejects with a `ConstraintError` for a number that is not above all
 * that are there: the highest is the newest save. `get` gives null for what is not there, or damaged;
 * it rejects where it cannot be read just now.
 */
export interface Store {
  rows(): Promise<Row[]>;
  put(number: number, head: Head, state: Uint8Array): Promise<void>;
  get(number: number, ending: Ending): Promise<Save | null>;
  move(number: number, from: Ending, to: Ending): Promise<void>;
  remove(number: number, ending: Ending): Promise<void>;
  close(): Promise<void>;
}

/** Where the node is; asked at each try, so that one that moved is found. */
export interface Place {
  url: string;
  token: string;
}

export interface Options {
  universe: string;
  store: Store;
  node: () => Promise<Place>;
  /** Content-Type of the states. */
  media?: string;
  /** Saves that may wait; past it the oldest automatic ones are dropped. */
  waitingMax?: number;
  waitingBytesMax?: number;
  /** Between tries: doubled each time, up to the second. */
  backoffMs?: [number, number];
  /** Until a token or a universe is tried again that was wrong. */
  blockedMs?: number;
  /** Of one upload, and one more for each 16 bytes of it. */
  timeoutMs?: number;
}

export interface Status {
  waiting: number;
  waitingBytes: number;
  /** Since it was opened; so are the next two. */
  sent: number;
  dropped: number;
  refused: number;
  /**
   * "" or what is in the way, for the person who plays. Also of an event that the node did not take: its
   * state was sent without it.
   */
  problem: string;
}

export interface SaveOptions {
  tick: number;
  kind?: Kind;
  day?: number;
  event?: CanonEvent;
}

interface Outcome {
  /** What is in the way. "" does not say that the node has it: `isSent` does. */
  problem: string;
  /** The node said that it has it. */
  isSent?: boolean;
  /** It will never take it. */
  isFinal?: boolean;
  /** Another tab sent it, or let it go. */
  isGone?: boolean;
  /** It cannot be read just now: the others go first. */
  isUnread?: boolean;
  /** Its state alone may be taken all the same. */
  isOfEvent?: boolean;
  afterMs?: number;
  /** Of one that had an event: why it is not there, or "" where it is. */
  leftOut?: string;
}

const REFUSED_MAX = 10;
const ANSWER_CHARACTERS_MAX = 1 << 20;
const HEAD_BYTES_MAX = 1 << 20; // of a file's first line
const HEAD_BYTES_USUAL = 1 << 16;
const DESCRIPTION_BYTES_MAX = 2_048; // of an event; as nodes have it
const EVENT_CHARACTERS_MAX = 8_192; // as JSON
const EVENT_BYTES_MAX = 60 << 10; // in the address of a request, of which a node hears 64 KiB
const TIME_MS_MAX = 1e14;
// What a node answers with these will never be taken, unless its code says to send it again.
const FINAL: readonly number[] = [400, 413, 414, 415, 422, 431];
const UNKNOWN = "unknown-parameter"; // by an older node
const AGAIN: readonly string[] = ["cut-off", "snapshot-not-kept", UNKNOWN];
const FULL: readonly string[] = ["universe-full", "record-full"]; // of events, say
const BYTES_PER_MS_MIN = 16; // a slow line is no broken one
const MISMATCH = "checksum-mismatch"; // of bytes that were damaged on their way, or before
const MISMATCHES_MAX = 5; // tries
const KINDS: readonly Kind[] = ["auto", "manual", "canonical"];
const ENDINGS: readonly Ending[] = ["save", "sent", "refused"];

export class Autosave {
  readonly #options: Required<Options>;
  readonly #waiting = new Map<number, Row>();
  /** Passed over until the others were sent. */
  readonly #unread = new Set<number>();
  readonly #mismatches = new Map<number, number>();
  #number = 0;
  #sending = -1;
  #sent = 0;
  #dropped = 0;
  #refused = 0;
  #problem = "";
  #leftOut = "";
  #isClosed = false;
  #hurries = false;
  #listeners = new Set<() => void>();
  #writing: Promise<unknown> = Promise.resolve();
  #loop: Promise<void> = Promise.resolve();
  readonly #stop = new AbortController();

  private constructor(options: Options) {
    this.#options = {
      media: "application/json", waitingMax: 200, waitingBytesMax: 512 * 2 ** 20,
      backoffMs: [1_000, 60_000], blockedMs: 60_000, timeoutMs: 300_000, ...options,
    };
  }

  /** Goes on with what waits in the store from before. */
  static async open(options: Options): Promise<Autosave> {
    const saves = new Autosave(options);
    for (const row of await options.store.rows()) {
      saves.#number = Math.max(saves.#number, row.number);
      if (row.ending === "save") saves.#waiting.set(row.number, row);
    }
    saves.#loop = saves.#run();
    return saves;
  }

  /**
   * Keeps `state`, and lets it be sent. Rejects where the store does not take it. An event that is too long
   * is left out, and `status().problem` says so.
   */
  async save(state: Uint8Array | string, options: SaveOptions): Promise<void> {
    const { tick, kind = "auto", day = null, event = null } = options;
    if (!KINDS.includes(kind) || !isWhole(tick) || !(day === null || isWhole(day))) {
      throw new RangeError(`a save is one of ${KINDS.join(", ")}, of a whole tick and day that are 0 or more`);
    }
    if (this.#isClosed) throw new Error("these saves were closed");
    const bytes = typeof state === "string" ? new TextEncoder().encode(state) : copyOf(state);
    if (!bytes.length) throw new RangeError("a save has one byte at least");
    const why = tooLong(event);
    const head: Head = {
      tick, kind, at_ms: Date.now(), size: bytes.length, key: randomKey(), day, event: why ? null : event,
      media: this.#options.media,
    };
    const headBytes = lineOf(head).length;
    if (headBytes > HEAD_BYTES_MAX) {
      throw new RangeError(`what is said of a save has ${headBytes} bytes, at most ${HEAD_BYTES_MAX}`);
    }
    // One after the other: what is saved later has a higher number, and is kept later.
    const written = this.#writing.then(async () => {
      const number = await this.#put(head, bytes);
      this.#waiting.set(number, { number, ending: "save", bytes: bytes.length, kind });
      if (why) this.#leftOut = leftOut(tick, why);
      await this.#makeRoom(number);
    });
    this.#writing = written.catch(() => undefined);
    await written;
    this.#tell();
  }

  /** What was saved last: also what a node has by now. Rejects where that cannot be read just now. */
  async latest(): Promise<Save | null> {
    const rows = await this.#options.store.rows();
    for (const row of rows.sort((one, other) => other.number - one.number)) {
      // It may have been sent just now.
      for (const ending of [row.ending, "sent", "refused"] as const) {
        const save = await this.#options.store.get(row.number, ending);
        if (save) return save;
      }
    }
    return null;
  }

  status(): Status {
    let waitingBytes = 0;
    for (const row of this.#waiting.values()) waitingBytes += row.bytes;
    return {
      waiting: this.#waiting.size, waitingBytes, sent: this.#sent, dropped: this.#dropped,
      refused: this.#refused, problem: this.#problem || this.#leftOut,
    };
  }

  /** Tries at once, and waits until nothing waits; false where something still does. */
  async flush(timeoutMs: number): Promise<boolean> {
    this.#hurries = true;
    this.#tell();
    await this.#until(() => this.#waiting.size === 0, timeoutMs);
    return this.#waiting.size === 0;
  }

  /** Ends the sending, also of what is on its way; what waits is kept. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#stop.abort();
    this.#tell();
    await this.#writing;
    await this.#loop;
    await this.#options.store.close();
  }

  // ── sending ────────────────────────────────────────────────────────────────────────────────────

  async #run(): Promise<void> {
    let tries = 0;
    while (true) {
      await this.#until(() => this.#isClosed || this.#waiting.size > 0);
      if (this.#isClosed) return;
      if (!this.#ready().length) this.#unread.clear();
      const number = (this.#sending = Math.min(...this.#ready()));
      let outcome: Outcome;
      try {
        outcome = await this.#send(number);
        await this.#note(number, outcome);
      } catch (error) { // must not end all saving: it is shown, and tried again after the others
        outcome = { problem: textOf(error), isUnread: true };
        await this.#note(number, outcome);
      }
      this.#sending = -1;
      if (outcome.isUnread && this.#ready().length) continue;
      tries = isDone(outcome) ? 0 : tries + 1;
      if (tries) await this.#pause(outcome, tries);
    }
  }

  #ready(): number[] {
    return [...this.#waiting.keys()].filter((number) => !this.#unread.has(number));
  }

  #forget(number: number): void {
    this.#waiting.delete(number);
    this.#unread.delete(number);
    this.#mismatches.delete(number);
  }

  async #note(number: number, outcome: Outcome): Promise<void> {
    this.#problem = outcome.problem;
    if (outcome.isUnread) this.#unread.add(number);
    if (!isDone(outcome)) return;
    if (outcome.isGone) {
      this.#forget(number);
      this.#tell();
      return;
    }
    const ending = outcome.isSent ? "sent" : "refused";
    await this.#options.store.move(number, "save", ending);
    this.#forget(number);
    if (outcome.isSent) this.#sent += 1;
    else this.#refused += 1;
    if (outcome.leftOut !== undefined) this.#leftOut = outcome.leftOut;
    await this.#keep(ending, outcome.isSent ? 1 : REFUSED_MAX);
    this.#tell();
  }

  async #pause(outcome: Outcome, tries: number): Promise<void> {
    const [firstMs, mostMs] = this.#options.backoffMs;
    // With chance in it: of a hundred games that lost one node not all come at once.
    const usualMs = Math.min(mostMs, firstMs * 2 ** Math.min(tries - 1, 30)) * (0.5 + Math.random() / 2);
    // Of one that cannot be read the others know nothing.
    const isFree = (): boolean => outcome.isUnread === true && this.#ready().length > 0;
    await this.#until(() => this.#isClosed || this.#hurries || isFree(), outcome.afterMs ?? usualMs);
    this.#hurries = false;
  }

  async #send(number: number): Promise<Outcome> {
    const { store } = this.#options;
    let save: Save | null;
    try {
      save = await store.get(number, "save");
    } catch (error) {
      return { problem: `save ${number} cannot be read now: ${textOf(error)}`, isUnread: true };
    }
    if (!save) {
      const isThere = (await store.rows()).some((row) => row.number === number && row.ending === "save");
      return isThere ? { problem: `save ${number} is damaged`, isFinal: true } : { problem: "", isGone: true };
    }
    let place: Place;
    try {
      place = await this.#options.node();
    } catch (error) {
      return { problem: textOf(error) };
    }
    const outcome = await this.#try(number, save, place);
    if (save.event === null || !(outcome.isFinal || outcome.isOfEvent)) return outcome;
    // The state is worth more than what is told of it.
    const without = await this.#try(number, { ...save, event: null, key: `${save.key}-bare` }, place);
    if (!without.isSent) return without;
    return { ...without, leftOut: leftOut(save.tick, outcome.problem) };
  }

  async #try(number: number, save: Save, place: Place): Promise<Outcome> {
    let answer: Response;
    let said: Record<string, unknown>;
    try {
      answer = await this.#post(save, place);
      said = objectIn((await answer.text()).slice(0, ANSWER_CHARACTERS_MAX), answer.status);
    } catch (error) {
      return { problem: `the node at ${place.url} does not answer: ${textOf(error)}${hintFor(place)}` };
    }
    const text = String(said.detail ?? "") || String(said.error ?? "") || `status ${answer.status}`;
    if (answer.ok && said.success === true) {
      const outcome = { problem: "", isSent: true };
      return save.event === null ? outcome : { ...outcome, leftOut: "" };
    }
    if (answer.ok) { // what says yes to everything has kept nothing
      return { problem: `what answers at ${place.url} is no node: ${text}`, afterMs: this.#options.blockedMs };
    }
    const code = String(said.code ?? "");
    if (code === UNKNOWN && save.at_ms >= 0) return this.#try(number, { ...save, at_ms: -1 }, place); // an older node
    return this.#judged(number, answer, code, text);
  }

  async #post(save: Save, place: Place): Promise<Response> {
    const query = new URLSearchParams({ tick: String(save.tick), type: save.kind });
    if (save.at_ms >= 0 && save.at_ms <= TIME_MS_MAX) query.set("made_ms", String(Math.trunc(save.at_ms)));
    if (save.day !== null) query.set("day", String(save.day));
    if (save.event !== null) query.set("event", JSON.stringify(save.event));
    const universe = encodeURIComponent(this.#options.universe).replaceAll("%3A", ":");
    const start = place.url.replace(/\/+$/, "");
    const timeoutMs = this.#options.timeoutMs + Math.ceil(save.state.length / BYTES_PER_MS_MIN);
    return fetch(`${start}/api/universe/${universe}/snapshot?${query}`, {
      method: "POST",
      headers: {
        "Content-Type": save.media, "Idempotency-Key": save.key,
        Accept: "application/json, application/problem+json", Authorization: `Bearer ${place.token}`,
      },
      body: save.state as unknown as BodyInit,
      redirect: "error",
      credentials: "omit",
      signal: AbortSignal.any([this.#stop.signal, AbortSignal.timeout(timeoutMs)]),
    });
  }

  #judged(number: number, answer: Response, code: string, said: string): Outcome {
    const { blockedMs, universe } = this.#options;
    const after = answer.headers.get("Retry-After") ?? "";
    const afterMs = /^\d{1,6}$/.test(after) ? Number(after) * 1_000 : undefined;
    if (answer.status === 401 || answer.status === 403) {
      return { problem: `the node does not take this token: ${said}`, afterMs: blockedMs };
    }
    if (answer.status === 404) {
      // Of one that was deleted the node says how it comes back: no other takes its place.
      const isToMake = code.startsWith("unknown-") && !said.includes(" deleted");
      const hint = isToMake ? `; make it: panspermia universe create NAME --id ${universe}` : "";
      return { problem: said + hint, afterMs: blockedMs };
    }
    let isFinal = FINAL.includes(answer.status) && !AGAIN.includes(code);
    if (code === MISMATCH) {
      const times = (this.#mismatches.get(number) ?? 0) + 1;
      this.#mismatches.set(number, times);
      isFinal = times >= MISMATCHES_MAX;
    }
    if (isFinal) {
      return { problem: `the node will not take a save: ${said}`, isFinal: true };
    }
    const outcome = { problem: `the node does not take it now: ${said}`, isOfEvent: FULL.includes(code) };
    return afterMs === undefined ? outcome : { ...outcome, afterMs };
  }

  // ── the store ──────────────────────────────────────────────────────────────────────────────────

  /** Gives the number that it is kept by: another tab with this game may have taken the next one. */
  async #put(head: Head, state: Uint8Array): Promise<number> {
    const { store } = this.#options;
    while (true) {
      const number = (this.#number += 1);
      try {
        await store.put(number, head, state);
        return number;
      } catch (error) {
        if ((error as Error | null)?.name !== "ConstraintError") throw error;
        for (const row of await store.rows()) this.#number = Math.max(this.#number, row.number);
      }
    }
  }

  /** The newest; of what was refused, and is lost now, those that were whole are counted. */
  async #keep(ending: Ending, count: number): Promise<void> {
    const { store } = this.#options;
    const rows = (await store.rows()).filter((row) => row.ending === ending);
    rows.sort((one, other) => other.number - one.number);
    for (const { number } of rows.slice(count)) {
      try {
        const isLost = ending === "refused" && (await store.get(number, ending)) !== null;
        await store.remove(number, ending);
        if (isLost) this.#dropped += 1;
      } catch { /* one that cannot be read now is looked at another time */ }
    }
  }

  /** The oldest automatic ones go first; what is being sent stays, and so does the newest. */
  async #makeRoom(newest: number): Promise<void> {
    const { waitingMax, waitingBytesMax, store } = this.#options;
    const kept = new Set([newest]);
    while (this.#waiting.size > waitingMax || this.status().waitingBytes > waitingBytesMax) {
      const others = [...this.#waiting.values()]
        .filter((row) => !kept.has(row.number) && row.number !== this.#sending)
        .sort((one, other) => one.number - other.number);
      const row = others.find((one) => one.kind === "auto") ?? others[0];
      if (!row) return;
      kept.add(row.number);
      this.#waiting.delete(row.number); // or it would be sent meanwhile
      try {
        await store.remove(row.number, "save");
      } catch { // another program has it open
        this.#waiting.set(row.number, row);
        continue;
      }
      this.#forget(row.number);
      this.#dropped += 1;
    }
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  /** Until it holds, or so long. */
  #until(holds: () => boolean, timeoutMs?: number): Promise<void> {
    if (holds()) return Promise.resolve();
    return new Promise((resolve) => {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const look = (): void => {
        if (!holds()) return;
        done();
      };
      const done = (): void => {
        clearTimeout(timer);
        this.#listeners.delete(look);
        resolve();
      };
      this.#listeners.add(look);
      if (timeoutMs !== undefined) timer = setTimeout(done, timeoutMs);
    });
  }
}

// ── stores ───────────────────────────────────────────────────────────────────────────────────────

interface Kept {
  number: number;
  ending: Ending;
  head: Head;
  state: Uint8Array;
}

/** For a game that loses its saves with its page. */
export class MemoryStore implements Store {
  readonly #kept = new Map<number, Kept>();

  async rows(): Promise<Row[]> {
    return [...this.#kept.values()].map(rowOf);
  }

  async put(number: number, head: Head, state: Uint8Array): Promise<void> {
    this.#kept.set(number, { number, ending: "save", head, state });
  }

  async get(number: number, ending: Ending): Promise<Save | null> {
    const one = this.#kept.get(number);
    return one?.ending === ending ? { ...one.head, state: one.state } : null;
  }

  async move(number: number, from: Ending, to: Ending): Promise<void> {
    const one = this.#kept.get(number);
    if (one?.ending === from) one.ending = to;
  }

  async remove(number: number, ending: Ending): Promise<void> {
    if (this.#kept.get(number)?.ending === ending) this.#kept.delete(number);
  }

  async close(): Promise<void> {}
}

/** For browsers. They may drop it where room is short, unless `navigator.storage.persist()` is true. */
export class IndexedDbStore implements Store {
  readonly #database: Promise<IDBDatabase>;

  constructor(name: string) {
    const opening = indexedDB.open(`panspermia autosave: ${name}`, 1);
    opening.onupgradeneeded = () => {
      opening.result.createObjectStore("heads", { keyPath: "number" });
      opening.result.createObjectStore("states");
    };
    this.#database = answerOf(opening);
    this.#database.catch(() => undefined); // told by whatever is asked of it
  }

  async rows(): Promise<Row[]> {
    const { heads } = await this.#begin("readonly");
    const all: Kept[] = await answerOf(heads.getAll());
    return all.map(rowOf);
  }

  async put(number: number, head: Head, state: Uint8Array): Promise<void> {
    const { heads, states, done } = await this.#begin("readwrite");
    const last = await answerOf(heads.openKeyCursor(null, "prev"));
    // Another tab's is newer; a lower number may be free again, of a save that was sent.
    if (last && Number(last.key) >= number) throw new DOMException("the number is taken", "ConstraintError");
    heads.add({ number, ending: "save", head });
    states.put(state, number);
    await done;
  }

  async get(number: number, ending: Ending): Promise<Save | null> {
    const { heads, states } = await this.#begin("readonly");
    const [one, state]: [Kept | undefined, Uint8Array | undefined] = await Promise.all([
      answerOf(heads.get(number)), answerOf(states.get(number)),
    ]);
    return one && state && one.ending === ending ? { ...one.head, state } : null;
  }

  async move(number: number, from: Ending, to: Ending): Promise<void> {
    const { heads, done } = await this.#begin("readwrite");
    const one: Kept | undefined = await answerOf(heads.get(number));
    if (one?.ending === from) heads.put({ ...one, ending: to });
    await done;
  }

  async remove(number: number, ending: Ending): Promise<void> {
    const { heads, states, done } = await this.#begin("readwrite");
    const one: Kept | undefined = await answerOf(heads.get(number));
    if (one?.ending === ending) {
      heads.delete(number);
      states.delete(number);
    }
    await done;
  }

  async close(): Promise<void> {
    (await this.#database).close();
  }

  async #begin(mode: IDBTransactionMode) {
    const act = (await this.#database).transaction(["heads", "states"], mode, { durability: "strict" });
    const done = new Promise<void>((resolve, reject) => {
      act.oncomplete = () => resolve();
      act.onabort = () => reject(act.error ?? new Error("the browser did not keep it"));
    });
    done.catch(() => undefined); // who waits for it hears of it
    return { heads: act.objectStore("heads"), states: act.objectStore("states"), done };
  }
}

/** For Node.js: a file each, as `panspermia_autosave.py` writes them. */
export class FolderStore implements Store {
  readonly #folder: string;
  readonly #ready: Promise<FileSystem>;

  constructor(folder: string) {
    this.#folder = folder;
    this.#ready = this.#open();
    this.#ready.catch(() => undefined); // told by whatever is asked of it
  }

  async #open(): Promise<FileSystem> {
    const files = await fileSystem();
    await files.mkdir(this.#folder, { recursive: true });
    for (const name of await files.readdir(this.#folder)) {
      if (!name.endsWith(".tmp")) continue;
      // One that is open elsewhere stays, and is passed over.
      await files.rm(`${this.#folder}/${name}`, { force: true }).catch(() => undefined);
    }
    return files;
  }

  async rows(): Promise<Row[]> {
    const files = await this.#ready;
    const rows = new Map<string, Row>();
    for (const name of await files.readdir(this.#folder)) {
      const found = /^(\d+)\.(save|sent|refused)$/.exec(name);
      if (!found) continue;
      const ending = found[2] as Ending;
      // One that is not there any more may have been sent just now.
      for (const now of ending === "save" ? ENDINGS : [ending]) {
        const row = await this.#row(Number(found[1]), now);
        if (!row) continue;
        rows.set(`${row.number}.${row.ending}`, row);
        break;
      }
    }
    return [...rows.values()];
  }

  /** null: it is not there. */
  async #row(number: number, ending: Ending): Promise<Row | null> {
    try {
      const head = headIn(await this.#beginning(number, ending));
      return { number, ending, bytes: head?.size ?? 0, kind: head?.kind ?? "auto" };
    } catch (error) {
      return isMissing(error) ? null : { number, ending, bytes: 0, kind: null };
    }
  }

  /** With its first line: states are large. */
  async #beginning(number: number, ending: Ending): Promise<Uint8Array> {
    const files = await this.#ready;
    const file = await files.open(this.#path(number, ending), "r");
    try {
      for (let size = HEAD_BYTES_USUAL; ; size = HEAD_BYTES_MAX) {
        const bytes = new Uint8Array(size);
        const { bytesRead } = await file.read(bytes, 0, size, 0);
        const read = bytes.subarray(0, bytesRead);
        if (size === HEAD_BYTES_MAX || bytesRead < size || read.includes(10)) return read;
      }
    } finally {
      await file.close();
    }
  }

  async put(number: number, head: Head, state: Uint8Array): Promise<void> {
    const files = await this.#ready;
    const draft = `${this.#folder}/${number}.tmp`;
    try {
      const file = await files.open(draft, "w");
      try {
        await file.writeFile(lineOf(head));
        await file.writeFile(state);
        await file.sync();
      } finally {
        await file.close();
      }
      await files.rename(draft, this.#path(number, "save"));
    } catch (error) {
      await files.rm(draft, { force: true });
      throw error;
    }
    try {
      const folder = await files.open(this.#folder, "r");
      await folder.sync().finally(() => folder.close());
    } catch { /* Windows opens no folders */ }
  }

  async get(number: number, ending: Ending): Promise<Save | null> {
    const files = await this.#ready;
    let bytes: Uint8Array;
    try {
      bytes = await files.readFile(this.#path(number, ending));
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
    const head = headIn(bytes);
    const state = bytes.subarray(bytes.indexOf(10) + 1);
    return head && state.length === head.size ? { ...head, state } : null;
  }

  async move(number: number, from: Ending, to: Ending): Promise<void> {
    await (await this.#ready).rename(this.#path(number, from), this.#path(number, to));
  }

  async remove(number: number, ending: Ending): Promise<void> {
    await (await this.#ready).rm(this.#path(number, ending), { force: true });
  }

  async close(): Promise<void> {}

  #path(number: number, ending: Ending): string {
    return `${this.#folder}/${String(number).padStart(16, "0")}.${ending}`;
  }
}

/** For Node.js: where the node of this home runs, and its token, as they are at each try. */
export function nodeOf(home: string): () => Promise<Place> {
  return async () => {
    const files = await fileSystem();
    const text = async (name: string): Promise<string> =>
      new TextDecoder().decode(await files.readFile(`${home}/${name}`));
    try {
      const { api } = JSON.parse(await text("node.json")) as { api: string };
      return { url: api, token: (await text("token")).trim() };
    } catch (error) {
      throw new Error(`no node runs in ${home}; start it: panspermia up`, { cause: error });
    }
  };
}

interface FileSystem {
  mkdir(path: string, options: { recursive: true }): Promise<unknown>;
  readdir(path: string): Promise<string[]>;
  rm(path: string, options: { force: true }): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  readFile(path: string): Promise<Uint8Array>;
  open(path: string, flags: string): Promise<{
    read(into: Uint8Array, at: number, count: number, from: number): Promise<{ bytesRead: number }>;
    writeFile(data: string | Uint8Array): Promise<void>;
    sync(): Promise<void>;
    close(): Promise<void>;
  }>;
}

/** By a name that bundlers for browsers do not follow. */
function fileSystem(): Promise<FileSystem> {
  const name = "node:fs/promises";
  return import(/* @vite-ignore */ name) as Promise<FileSystem>;
}

/** Of its bytes, whatever its items are: `slice` of a `Buffer` would be no copy. */
function copyOf(state: Uint8Array): Uint8Array {
  return new Uint8Array(state.buffer, state.byteOffset, state.byteLength).slice();
}

function lineOf(head: Head): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(head)}\n`);
}

/** null: it is damaged. */
function headIn(bytes: Uint8Array): Head | null {
  const end = bytes.subarray(0, HEAD_BYTES_MAX).indexOf(10);
  if (end < 0) return null;
  try {
    const found: unknown = JSON.parse(new TextDecoder().decode(bytes.subarray(0, end)));
    return found !== null && typeof found === "object" ? (found as Head) : null;
  } catch {
    return null;
  }
}

function isMissing(error: unknown): boolean {
  return (error as { code?: string } | null)?.code === "ENOENT";
}

function isWhole(number: number): boolean {
  return Number.isSafeInteger(number) && number >= 0;
}

/** Why no node takes it, as far as its length says; else "". */
function tooLong(event: CanonEvent | null): string {
  if (event === null) return "";
  const text = JSON.stringify(event);
  const description = new TextEncoder().encode(String(event.description ?? "")).length;
  if (description > DESCRIPTION_BYTES_MAX) {
    return `its description has ${description} bytes, at most ${DESCRIPTION_BYTES_MAX}`;
  }
  if (text.length > EVENT_CHARACTERS_MAX) {
    return `it has ${text.length} characters as JSON, at most ${EVENT_CHARACTERS_MAX}`;
  }
  const bytes = new URLSearchParams({ event: text }).toString().length;
  return bytes > EVENT_BYTES_MAX ? `it has ${bytes} bytes in an address, at most ${EVENT_BYTES_MAX}` : "";
}

function leftOut(tick: number, why: string): string {
  return `the event of tick ${tick} was left out, and its state saved without it: ${why}`;
}

function rowOf(one: Kept): Row {
  return { number: one.number, ending: one.ending, bytes: one.head.size, kind: one.head.kind };
}

function answerOf<T>(asked: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
}

/** Of what is no JSON its beginning, as `detail`. */
function objectIn(said: string, status: number): Record<string, unknown> {
  try {
    const found: unknown = JSON.parse(said);
    return found !== null && typeof found === "object" ? { ...found } : {};
  } catch {
    const text = said.slice(0, 200).trim().replace(/\s+/g, " ");
    return text ? { detail: `status ${status}: ${text}` } : {};
  }
}

/** Nothing more is done about it. */
function isDone(outcome: Outcome): boolean {
  return outcome.isSent === true || outcome.isFinal === true || outcome.isGone === true;
}

/** Never "": of an error without a message its name. */
function textOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : null;
  return cause instanceof Error ? `${wordsOf(error)}: ${wordsOf(cause)}` : wordsOf(error);
}

/** An `AggregateError` has none of its own where each address of `localhost` refuses, say. */
function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error) || "an error without a word";
  if (error.message) return error.message;
  const inside: unknown[] = error instanceof AggregateError ? error.errors : [];
  return inside.map(wordsOf).join("; ") || error.name || "Error";
}

/** A page of elsewhere is not told whether no node is there or the node does not let it in. */
function hintFor(place: Place): string {
  const origin = (globalThis as { location?: { origin?: string } }).location?.origin;
  if (!origin || place.url.startsWith(`${origin}/`) || place.url === origin) return "";
  return `; if it runs, let this page in: panspermia config set api.allowed_origins ${origin}`;
}

/** `crypto.randomUUID` is missing on pages that came over plain http. */
function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
