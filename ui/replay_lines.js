// The words of steps. The app has them; the browser asks for those near the reader, one question at a time.

const WINDOW = 400; // lines asked for at once
const KEPT = 20000;
const PATIENCE_MS = 8000;

class Lines {
  // `came` is called when there are more of them.
  constructor(trace, came) {
    Object.assign(this, { trace, came, texts: new Map(), number: Math.round(performance.now()), asked: null, search: null, next: null });
    this.listening = new AbortController();
    hub.addEventListener("answer", (event) => this.take(event.detail), { signal: this.listening.signal });
    hub.addEventListener("asker", () => this.send(), { signal: this.listening.signal });
  }

  end() { this.listening.abort(); clearTimeout(this.again); }

  has(i) { return this.texts.has(i); }

  // The line of a step; until it is there, who did what to whom.
  of(i) {
    const { trace } = this, name = (node) => (node === NOBODY ? "" : trace.nodes[node].name);
    const between = [name(trace.from[i]), name(trace.to[i])].filter(Boolean).join(" → ");
    return this.texts.get(i) ?? `${trace.groups[trace.group[i]]}${between ? ": " : ""}${between} …`;
  }

  // See to it that the lines of `step`, and of the places `from` to `to` among `steps`, are there, and those around.
  near(step, steps, from, to) {
    const missing = (place) => place >= 0 && place < steps.length && !this.texts.has(steps[place]);
    let at = -1;
    for (let place = from; place < to && at < 0; place++) if (missing(place)) at = place;
    for (const place of [to + WINDOW / 4, from - WINDOW / 4]) if (at < 0 && missing(place)) at = place;
    const wanted = at < 0 ? [] : steps.subarray(Math.max(0, at - WINDOW / 2), at + WINDOW / 2);
    const absent = [step, ...wanted].filter((i) => !this.texts.has(i));
    this.next = absent.length ? { steps: absent } : null;
    this.send();
  }

  // Calls `found` with a bit for each step in which the words stand.
  find(words, found) {
    this.search = { words, found };
    this.send();
  }

  // A question, unless one is on its way: a search first. What is not answered in time is asked again.
  send() {
    const question = this.search ? { words: this.search.words } : this.next;
    if (!question || !hub.ask || (this.asked && performance.now() - this.asked.at < PATIENCE_MS)) return;
    this.asked = { number: ++this.number, at: performance.now(), steps: question.steps || [] };
    this.next = null;
    hub.ask({ number: this.number, ...question });
    clearTimeout(this.again);
    this.again = setTimeout(() => this.came(), PATIENCE_MS + 100);
  }

  take(answer) {
    const { asked, search } = this;
    if (answer.number !== asked?.number) return;
    if (this.texts.size > KEPT) this.texts.clear();
    for (const [i, line] of answer.lines || []) this.texts.set(i, line);
    if (search && answer.words === search.words) {
      this.search = null;
      search.found(Uint8Array.from(atob(answer.found), (letter) => letter.charCodeAt(0)));
    }
    if (answer.problem) return; // asked again when patience is over
    for (const i of asked.steps) if (!this.texts.has(i)) this.texts.set(i, this.of(i));
    this.asked = null;
    this.came();
  }
}
