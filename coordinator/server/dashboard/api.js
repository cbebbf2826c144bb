// Questions to the coordinator, and its answers. The token, if one is needed, stays in this tab.

const KEY = "zipfleet-token";
/** How long an answer may take, in milliseconds: the coordinator itself gives up by then. */
const PATIENCE_MS = 35_000;
/** How long nothing may come of a stream, in milliseconds. */
const SILENCE_MS = 60_000;

/** The coordinator refused, or was not there (status 0). */
export class Refused extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

export const keepToken = (token) => sessionStorage.setItem(KEY, token);
export const dropToken = () => sessionStorage.removeItem(KEY);
export const hasToken = () => sessionStorage.getItem(KEY) !== null;

async function ask(path, headers, signal) {
  const token = sessionStorage.getItem(KEY);
  if (token) headers.Authorization = `Bearer ${token}`;
  let answer;
  try {
    answer = await fetch(path, { headers, signal, cache: "no-store", credentials: "omit", redirect: "error" });
  } catch (error) {
    // Who left the page has no coordinator to miss.
    if (signal.reason?.name === "AbortError") throw signal.reason;
    throw new Refused(0, signal.aborted ? "It does not answer." : "It takes no connection.");
  }
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({}));
  throw new Refused(answer.status, problem.detail ?? `It answered ${answer.status}.`);
}

/** What the API has at a path. */
export async function get(path, signal) {
  const limited = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]);
  const answer = await ask(path, { Accept: "application/json" }, limited);
  try {
    return await answer.json();
  } catch {
    signal.throwIfAborted();
    throw new Refused(0, "Its answer broke off.");
  }
}

/**
 * Hands each event of a stream to `each(name, data, id)` until the stream ends. Not by `EventSource`, which can send
 * no token.
 */
export async function events(path, lastId, each, signal) {
  const silent = new AbortController();
  const headers = { Accept: "text/event-stream" };
  if (lastId) headers["Last-Event-ID"] = lastId;
  const answer = await ask(path, headers, AbortSignal.any([signal, silent.signal]));
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const timer = setTimeout(() => silent.abort(), SILENCE_MS);
    const { value, done } = await reader.read().finally(() => clearTimeout(timer));
    if (done) return;
    const blocks = (rest + value).replaceAll("\r\n", "\n").split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) tell(block, each);
  }
}

function tell(block, each) {
  const fields = { event: "message", data: [], id: "" };
  for (const line of block.split("\n")) {
    const [, name, value] = /^([^:]*):? ?(.*)$/.exec(line);
    if (name === "data") fields.data.push(value);
    else if (name) fields[name] = value;
  }
  if (fields.data.length > 0) each(fields.event, JSON.parse(fields.data.join("\n")), fields.id);
}
