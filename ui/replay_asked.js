// Asks the app for what the stepper wants, and hands on what it answers; draws nothing.

export default function ({ data, setTriggerValue }) {
  const ask = (wanted) => setTriggerValue("wanted", wanted), fresh = hub.ask === null;
  hub.ask = ask;
  if (fresh) hub.dispatchEvent(new Event("asker"));
  if (data) hub.dispatchEvent(new CustomEvent("answer", { detail: data }));
  return () => { if (hub.ask === ask) hub.ask = null; };
}
