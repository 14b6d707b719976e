// Made by tools/declare from the requests' declarations.

/** Ask when people work. */
export interface Calendars {
  /** Only this one, with its days. */
  name?: string | null;
  /** A date in the first of the two weeks whose days are told; without it, today. */
  week?: string | null;
}

/** Make or change a calendar: operators; what is left out stays. */
export interface SetCalendar {
  /** What it is called. */
  name: string;
  /** The IANA name of its time zone; of a new one, the zone of the daemon's machine. */
  zone?: string | null;
  /** The weekly hours, as in Mon-Fri 09:00-12:00 13:00-18:00; Sat 22:00-06:00. */
  hours?: string | null;
  /** Days off, as in 2027-02-06..2027-02-12 or 2027-04-05. */
  closed?: string[] | null;
  /** Days with hours of their own, as in 2027-02-20 09:00-12:00, or with those of a working day; they count also where they are in closed. */
  open?: string[] | null;
  /** Up to which date all days off are known; empty: always. */
  until?: string | null;
  /** The business day, or next; empty: it is the date there. */
  today?: string | null;
  /** With today: only if this is the business day so far. */
  from?: string | null;
  /** It is not needed any more. */
  remove?: boolean | null;
}

/** Put all who and what is in one group into another, which may be a new one: operators. */
export interface MergeGroups {
  /** The group that is to be empty. */
  from: string;
  /** The group instead. */
  into: string;
}

/** Ask how the daemon itself fares. */
export interface Status {
  /** Also read the whole database and report its faults; takes a while. */
  check?: boolean | null;
}

/** Ask who did what, when and why; the newest comes first. */
export interface Audit {
  /** Only the changes of this task; an unknown id: 1002. */
  task?: string | null;
  /** Only what was done by somebody whose name contains this. */
  who?: string | null;
  /** Only these kinds. */
  kinds?: string | string[] | null;
  /** Not before this time (RFC 3339, with its zone). */
  since?: string | null;
  /** Before this time (RFC 3339, with its zone). */
  until?: string | null;
  /** At most so many entries. */
  limit?: number | null;
  /** The `next` of the page before. */
  after?: string | null;
}

/** Sign a person in; where people may, the first time makes their account. */
export interface Login {
  /** Employee number. */
  user: string;
  /** What people call them; the first time. */
  name?: string | null;
  /** Where passwords are asked for. */
  password?: string | null;
  /** What the warning about another address gave: go on all the same. */
  confirm?: string | null;
}

/** End what `Login` has begun, here or everywhere. */
export interface Logout {
  /** Also in every other browser. */
  everywhere?: boolean | null;
  /** Whom, where an admin asks. */
  user?: string | null;
}

/** Ask for the people that one may see. */
export interface People {}

/** Ask what those are called whom tasks name: also those whom one does not see otherwise. */
export interface Names {
  /** The ids of the tasks. */
  ids: string[];
  /** Also whom its history names, of one task. */
  history?: boolean | null;
}

/** Make or change a person's account: an admin anybody's, everybody some of their own. */
export interface SetPerson {
  /** Employee number. */
  user: string;
  /** What people call them. */
  name?: string | null;
  /** worker, lead or admin. */
  role?: "worker" | "lead" | "admin" | null;
  /** The groups that they are in. */
  groups?: string[] | null;
  /** Those of their groups that a lead leads. */
  leads?: string[] | null;
  /** false: they may not sign in. */
  active?: boolean | null;
  /** The calendar that says when they work; empty: the office's. */
  calendar?: string | null;
  /** The new one; empty removes it. */
  password?: string | null;
  /** Theirs so far, where it is not an admin who changes it. */
  old_password?: string | null;
  /** A rev: what came to them up to it counts as seen, and leaves `returned` of Next. */
  read_to?: number | null;
  /** Only if nobody has an account of this number. */
  new?: boolean | null;
  /** A rev, as of which one knows the account: only if it has not changed since. */
  base?: number | null;
}

/** Ask for what waits for a person: what they have, are to check, and what came to them. */
export interface Next {
  /** Whose; one's own where it is left out. */
  user?: string | null;
}

/** Take a task that nobody has. */
export interface Claim {
  /** The task's key, chosen by the service: 1-128 characters, no control characters. */
  id: string;
  /** Who does it, where a service or an operator asks for somebody. */
  user?: string | null;
  /** Seconds, after which it is free again unless it was submitted. */
  limit?: number | null;
}

/** Say that work on a task that one has claimed has begun. */
export interface Begin {
  /** The task's key, chosen by the service: 1-128 characters, no control characters. */
  id: string;
  /** Who does it, where a service or an operator asks for somebody. */
  user?: string | null;
}

/** Give a task back, for anybody to claim. */
export interface Release {
  /** The task's key, chosen by the service: 1-128 characters, no control characters. */
  id: string;
  /** Who does it, where a service or an operator asks for somebody. */
  user?: string | null;
  /** Why. */
  word?: string | null;
}

/** Give a task to somebody, whoever has it now: a lead of its group. */
export interface Assign {
  /** The task's key, chosen by the service: 1-128 characters, no control characters. */
  id: string;
  /** Who gets it. */
  to: string;
  /** Who does it, where a service or an operator asks for somebody. */
  user?: string | null;
  /** A word to them. */
  word?: string | null;
  /** As in Claim. */
  limit?: number | null;
}

/** Hand the work in, to be checked. */
export interface Submit {
  /** The task's key, chosen by the service: 1-128 characters, no control characters. */
  id: string;
  /** Who does it, where a service or an operator asks for somebody. */
  user?: string | null;
  /** Who is to check it; without one who is named, a lead of its group. */
  checker?: string | null;
  /** A word to them. */
  word?: string | null;
}

/** Find submitted work good: the task is finished. */
export interface Approve {
  /** The task's key, chosen by the service: 1-128 characters, no control characters. */
  id: string;
  /** Who does it, where a service or an operator asks for somebody. */
  user?: string | null;
  /** A word on it. */
  word?: string | null;
}

/** Give submitted work back to who did it, with the reason. */
export interface Reject {
  /** The task's key, chosen by the service: 1-128 characters, no control characters. */
  id: string;
  /** What is to be done. */
  reason: string;
  /** Who does it, where a service or an operator asks for somebody. */
  user?: string | null;
}

/** Give a task labels, short words by which it is found, or take some away. */
export interface SetLabels {
  /** The task's key, chosen by the service: 1-128 characters, no control characters. */
  id: string;
  /** Those that it gets. */
  add?: string[] | null;
  /** Those that it loses. */
  remove?: string[] | null;
}

/** End tasks that nobody needs any more, whoever has them: also what died or failed. */
export interface Cancel {
  /** Which tasks. */
  ids: string[];
  /** Why. */
  word?: string | null;
}

/** Give all that somebody holds or is to check to others, in one act. */
export interface Handover {
  /** Whose tasks. */
  of: string;
  /** Who gets them: each the next, whoever has the fewest first. */
  to: string[];
  /** Who does it, where a service or an operator asks for somebody. */
  user?: string | null;
  /** Why: leave, illness. */
  word?: string | null;
}

/** Say that a service is there. Its URL is its key; a retry is harmless. */
export interface RegisterService {
  /** Where it can be reached. */
  url: string;
  /** What people call it. */
  name?: string | null;
  /** The service's own words; kept. */
  reserved?: string | null;
  /** The group it works for. */
  group_id?: string | null;
  /** After so many seconds of silence it is dead. */
  heartbeat_timeout?: number | null;
  /** Fetch its tasks from its URL now. */
  fetch?: boolean | null;
}

/** Say that a service lives, and the tasks with it that it registered without a connection. */
export interface ServiceBeat {
  /** Which service. */
  url: string;
  /** Its own clock, Unix seconds; shown, and trusted for nothing. */
  time?: number | null;
  /** The service's own words; kept. */
  reserved?: string | null;
}

/** Ask for the services that one may see, and how they fare. */
export interface Services {}

/** Have the daemon ask a service for its tasks, by GET, or for one of them, by POST. */
export interface FetchTasks {
  /** A registered service's. */
  url: string;
  /** Only this task. */
  id?: string | null;
}

/** Say that one has seen that a task died or failed, or that a service is dead. */
export interface Acknowledge {
  /** The task's key, chosen by the service: 1-128 characters, no control characters. This, or url. */
  id?: string | null;
  /** The service. */
  url?: string | null;
  /** What is to be done about it, or why nothing is. */
  word?: string | null;
  /** Boards need not show it any more. */
  hide?: boolean | null;
  /** Who does it, where a service or an operator asks for somebody. */
  user?: string | null;
}

/** Say that a service is not coming back: it is forgotten. */
export interface RetireService {
  /** Which service. */
  url: string;
}

/** Ask how the work of the day goes, in numbers. */
export interface Figures {}

/** Create a task, or replace all client fields of the one with this id. */
export interface Register extends GivenFields {
  /** The task's key, chosen by the service: 1-128 characters, no control characters. */
  id: string;
  /** This task's own timeout in seconds, 0.5-2678400; without it the daemon's holds. */
  heartbeat_timeout?: number | null;
  /** The epoch that the writer believes in; any other than the current one gets 1004. */
  epoch?: number | null;
  /** Other connections need the current epoch to write this task. */
  fenced?: boolean | null;
  name: string;
}

/** Change some fields of a task; fields left out stay. */
export interface Update extends GivenFields {
  /** The task's key, chosen by the service: 1-128 characters, no control characters. */
  id: string;
  /** This task's own timeout in seconds, 0.5-2678400; without it the daemon's holds. */
  heartbeat_timeout?: number | null;
  /** The epoch that the writer believes in; any other than the current one gets 1004. */
  epoch?: number | null;
  /** Other connections need the current epoch to write this task. */
  fenced?: boolean | null;
  /** `false` changes the task and leaves it to its owner; for operators and tools. */
  own?: boolean | null;
}

/** Ask for one task. */
export interface Find {
  /** The task's key, chosen by the service: 1-128 characters, no control characters. */
  id: string;
}

/** Ask for a page of tasks. */
export interface Query {
  /** Field to a string, or to a list of strings any of which will do; all fields must match. */
  where?: Record<string, string | string[]> | null;
  /** A field, or `-field` for descending; ties go by `id`. */
  order?: string | null;
  /** At most so many tasks. */
  limit?: number | null;
  /** The `next` of the page before, with the same `order`. */
  after?: string | null;
  /** Only tasks that have each of these words, 10 at most; see below. */
  contains?: string | null;
}

/** Ask for the views that one may see: one's own, and those of one's groups. */
export interface Views {
  /** Only those of this person, or of this group. */
  of?: Record<string, string | string[]> | null;
}

/** Keep, change or remove a view: one's own; of a group, who leads it. */
export interface SetView {
  /** What it is called. */
  name: string;
  /** Whose it is; one's own where it is left out. */
  of?: Record<string, string | string[]> | null;
  /** What it shows, as the board's address has it behind `#/`: list?group=cut&q=film. */
  query?: string | null;
  /** It is not needed any more. */
  remove?: boolean | null;
}

/** What a request may say of a task. */
export interface GivenFields {
  /** The task's key, chosen by the service: 1-128 characters, no control characters. */
  id?: string;
  /** What people call the task. Required on Register. */
  name?: string;
  /** Where the service that runs it can be reached. */
  url?: string;
  /** Who it belongs to. */
  user?: string;
  /** The group it belongs to. */
  group_id?: string;
  /** A line of text for people. */
  description?: string;
  /** Free text: finish, failed, cancelled end it; pending, review wait; else it is live. */
  status?: string;
  /** The service's own words; stored unchanged. */
  start_time?: string;
  /** The service's own words; stored unchanged. */
  stop_time?: string;
  /** The project it is part of. */
  project_id?: string;
  /** The instance of the project or flow. */
  instance_id?: string;
  /** What kind of work it is. */
  task_type?: string;
  /** What an editor needs; stored unchanged. */
  edit_info?: string;
  /** Who reviews it. */
  checker?: string;
  /** The id of the task it is part of. */
  parent_id?: string;
  /** Kept as part of the task. */
  [member: string]: unknown;
}

/** The fields of every task. */
export interface TaskFields {
  /** The task's key, chosen by the service: 1-128 characters, no control characters. */
  id: string;
  /** What people call the task. Required on Register. */
  name: string;
  /** Where the service that runs it can be reached. */
  url: string;
  /** Who it belongs to. */
  user: string;
  /** The group it belongs to. */
  group_id: string;
  /** A line of text for people. */
  description: string;
  /** Free text: finish, failed, cancelled end it; pending, review wait; else it is live. */
  status: string;
  /** The service's own words; stored unchanged. */
  start_time: string;
  /** The service's own words; stored unchanged. */
  stop_time: string;
  /** The project it is part of. */
  project_id: string;
  /** The instance of the project or flow. */
  instance_id: string;
  /** What kind of work it is. */
  task_type: string;
  /** What an editor needs; stored unchanged. */
  edit_info: string;
  /** Who reviews it. */
  checker: string;
  /** The id of the task it is part of. */
  parent_id: string;
  /** Number of the task's last change; one counter for the whole daemon. */
  rev: number;
  /** Grows by 1 each time the owning connection changes. */
  epoch: number;
  /** When it was first registered. */
  created_at: string;
  /** When it last changed. */
  updated_at: string;
  /** When the daemon set it to `shutdown`; empty otherwise. */
  shutdown_at: string;
  /** The status it had then; empty otherwise. */
  status_before_shutdown: string;
  /** The last sign of life of its owner. */
  last_seen: string;
  /** Its place among the tasks that it is part of, and why it waits. */
  tree?: Record<string, unknown>;
  /** How executors do it: conditions, attempts, result. */
  job?: Record<string, unknown>;
  /** Whose yes it needs, and who gave it. */
  gate?: Record<string, unknown>;
  /** Who has seen that it died or failed. */
  acknowledged?: Record<string, unknown>;
}

/** Each request by the name of its operation. */
export interface Requests {
  Calendars: Calendars;
  SetCalendar: SetCalendar;
  MergeGroups: MergeGroups;
  Status: Status;
  Audit: Audit;
  Login: Login;
  Logout: Logout;
  People: People;
  Names: Names;
  SetPerson: SetPerson;
  Next: Next;
  Claim: Claim;
  Begin: Begin;
  Release: Release;
  Assign: Assign;
  Submit: Submit;
  Approve: Approve;
  Reject: Reject;
  SetLabels: SetLabels;
  Cancel: Cancel;
  Handover: Handover;
  RegisterService: RegisterService;
  ServiceBeat: ServiceBeat;
  Services: Services;
  FetchTasks: FetchTasks;
  Acknowledge: Acknowledge;
  RetireService: RetireService;
  Figures: Figures;
  Register: Register;
  Update: Update;
  Find: Find;
  Query: Query;
  Views: Views;
  SetView: SetView;
}
