import type { TaskFields } from './requests';

export type { Requests } from './requests';

/** A task, as boards are told of it: besides the fields of every task, those that people's acts set. */
export interface Task extends TaskFields {
  reason?: string;
  progress?: string;
  claimed_at?: string;
  claim_until?: string;
  free_since?: string;
  freed_from?: string;
  submitted_by?: string;
  checked_at?: string;
  acknowledged?: Answer;
  /** What clients write there may be anything: `labelsOf` in rules/filters.js reads it. */
  labels?: unknown;
  [member: string]: unknown;
}

/** Who has seen that a task died or failed, or that a service is dead, and what they said. */
export interface Answer {
  by: string;
  at: string;
  word: string;
  hide: boolean;
}

export type Role = 'worker' | 'lead' | 'admin';

export interface Person {
  user: string;
  name: string;
  role: Role;
  groups: string[];
  leads: string[];
  active: boolean;
  calendar: string;
  /** When the account was last changed: the `base` of its next change. */
  rev: number;
}

/** Who looks at the page: a person, or what a token is. */
export interface Me {
  user: string;
  name: string;
  role: Role | 'reader' | 'service' | 'operator' | 'anyone';
  groups: string[];
  leads: string[];
  sight: string;
}

export interface Service {
  url: string;
  name: string;
  group_id: string;
  state: 'alive' | 'late' | 'dead';
  since: string;
  acknowledged?: Answer;
}

export interface Bucket {
  at: number;
  tasks: Record<string, number> | null;
  events: Record<string, number>;
}

export interface Figures {
  states: Record<string, number>;
  load: Record<string, Record<string, number>>;
  day: Bucket[];
  bucket: number;
  claim_s: number | null;
  finish_s: number | null;
}

/** A task that waits for somebody, as Next gives it: what a card shows of it, and why it is there. */
export interface Entry extends Task {
  why: string[];
  since: string;
  /** Who gave, sent back or took it: an employee number, or what a token is called. */
  by?: string;
  word?: string;
}

/** The reply to Next: what waits for whoever looks. */
export interface Waiting {
  now: Entry[];
  queue: Entry[];
  to_answer: Entry[];
  returned: Entry[];
  counts: { all: number; more: boolean; [section: string]: number | boolean };
}

export interface TaskEvent {
  rev: number;
  kind: string;
  task: Task;
}

/** A message of the daemon that answers no request. */
export interface Message {
  me?: Me;
  now?: string;
  rev?: number;
  whole?: boolean;
  people?: (Person | { user: string; name: null })[];
  services?: (Service | { url: string; state: null })[];
  figures?: Figures;
  events?: TaskEvent[];
  afresh?: boolean;
  /** In a greeting of somebody who is in no group: the names of the administrators. */
  admins?: string[];
  /** How much of what others did is unseen; a greeting has it only where there is any. */
  unseen?: number;
}

/** All that the page knows beside the tasks of its view. Never changed, only followed by another. */
export interface Known {
  readonly me: Me | null;
  readonly people: ReadonlyMap<string, Person>;
  /** What those are called whom tasks name and whom one does not see otherwise. */
  readonly names: ReadonlyMap<string, string>;
  /** The administrators' names, for somebody who is in no group yet; else nobody's. */
  readonly admins: readonly string[];
  readonly services: readonly Service[];
  readonly figures: Figures | null;
  /** What waits for whoever looks, as it was last read. */
  readonly waiting: Waiting | null;
  /** The last rev that the page was told of; null before the first greeting. */
  readonly rev: number | null;
  readonly sight: string;
  /** By how many milliseconds the daemon's clock is ahead of the browser's. */
  readonly skew_ms: number;
}

/** What a message has changed. */
export interface News {
  events?: readonly TaskEvent[];
  people?: true;
  services?: true;
  figures?: true;
  /** What waits for whoever looks was read anew. */
  waiting?: true;
  /** What is unseen has changed, here or in another browser. */
  unseen?: true;
  /** What the view shows must be read again. */
  afresh?: true;
}

/** The reply to a request. */
export type Reply = Record<string, any>;
