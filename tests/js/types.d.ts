/** The widget's vocabulary. Instants are milliseconds of the browser's clock; Infinity: no limit. */

/** What the server said. */
interface Fact {
  /** When it was true; 0: nothing is known. */
  at: number;
  idleEndsAt: number;
  sessionEndsAt: number;
  warnIdle: number;
  warnSession: number;
  /** Which session, and whose; Server-Timing does not say whose. */
  tag: string;
  userTag: string;
}

type Kind = "ask" | "activity" | "explicit";
type View =
  | "active"
  | "idle"
  | "banner"
  | "session"
  | "checking"
  | "offline"
  | "ended"
  | "cleared"
  | "replaced";

/** What happens to a page. News of another tab come over the channel in this very form. */
type News =
  | { type: "answer"; kind: Kind; askedAt: number; fact: Fact }
  | { type: "heard" | "told"; fact: Fact }
  | { type: "failed"; kind: Kind }
  | { type: "ended"; kind?: Kind; tag?: string; reason: string | null; detail: string }
  | { type: "wake"; restored?: boolean }
  | { type: "hide" | "input" | "stay" | "dismiss" | "doubt" | "resumed" | "tick" };

type Reply = News & { status?: number };

type Effect =
  | { do: "ask" | "renew" | "wipe" }
  | { do: "touch"; kind: Kind; age: number }
  | { do: "tell"; news: News };

interface State {
  phase: "active" | "warning" | "verifying" | "ended" | "cleared" | "replaced";
  /** What the warning is about. */
  limit: "idle" | "session" | null;
  fact: Fact;
  /** Whom the page was made for. */
  userTag: string;
  /** -0.1 to 0.1: keeps many pages from asking at once. */
  jitter: number;
  heardAt: number;
  inputAt: number;
  /** The server knows of input up to here. */
  creditedAt: number;
  /** The request under way, and when it was sent. */
  pending: Kind | null;
  askedAt: number;
  failures: number;
  retryAt: number;
  hidden: boolean;
  /** Out of a cache: show nothing before an answer. */
  unsure: boolean;
  /** 1: banner hidden, 2: last dialog put aside. */
  dismissed: number;
  /** "Stay signed in" was not granted. */
  problem: boolean;
  /** The other session that was last asked about. */
  foreign: string;
  /** Somebody has signed in anew: the tokens of this page are stale. */
  resumed: boolean;
  endedAt: number;
  restoredAt: number;
  reason: string | null;
  detail: string;
}

type Known = Readonly<State>;

/** One step at work: the next state in the making and what is to be done. */
interface Turn {
  state: State;
  now: number;
  effects: Effect[];
}

type Step<T extends News["type"]> = (turn: Turn, news: Extract<News, { type: T }>) => void;

/** What the element shows, for the part that knows the words. */
interface Near {
  part: any;
  /** Seconds until the limit of the warning; null: there is none. */
  left: number | null;
  endsAt: number;
  later: number;
  detail: string;
}

interface Widget extends HTMLElement {
  readonly state: string | null;
  readonly reason: string | null;
  readonly deadlines: { idle: number; session: number };
}

type Update = (widget: Widget, near: Near) => void;

interface Document {
  prerendering?: boolean;
}
