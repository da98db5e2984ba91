// Holds the run that is stepped through; draws nothing.

export default function ({ data }) {
  if (!data || hub.run === data) return;
  hub.run = data;
  hub.dispatchEvent(new Event("run"));
}
