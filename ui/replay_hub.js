// Where the components of Replay meet: the run, as it came (`run`); what asks the app (`ask`). Events: "run" when another
// run is there, "asker" when there is something to ask, "answer" with what the app answered.

const hub = (window.headcountReplay ??= Object.assign(new EventTarget(), { run: null, ask: null }));
