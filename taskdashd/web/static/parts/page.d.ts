import type { Children } from '../core/types';
import type { Button } from './acting';
import type { Act } from '../rules/acts';
import type { Place } from '../rules/places';
import type { Known, News, Reply, Requests, Task } from '../wire/types';

/** What the shell gives a view that is open; with the view it ends. */
export interface Page<Model> {
  readonly known: Known;
  readonly place: Place;
  readonly model: Model;
  /** Aborted when the view is left. */
  readonly signal: AbortSignal;
  /** The ids of the tasks of which an act is on its way. */
  readonly pending: ReadonlySet<string>;
  /** What is selected. */
  readonly picking: Picking;
  /**
   * Give the URL of a view; without filters it keeps the present ones, where it has the same. Null on
   * a wall, where nothing is followed: an element without a URL is no link.
   */
  link(
    view: string,
    about?: string,
    filters?: Record<string, string> | URLSearchParams,
  ): string | null;
  /** Open a URL that `link` gave. */
  go(href: string): void;
  /** Change filters in the URL: the empty value takes one away. With `typing`, Back undoes all of it at once. */
  refine(changes: Record<string, string>, how?: { typing: boolean }): void;
  /** Follow the model by another, and paint it. */
  update(change: (model: Model) => Model): void;
  /** Ask the daemon; what is asked is forgotten when the view is left. */
  ask<Op extends keyof Requests>(op: Op, body: Requests[Op]): Promise<Reply>;
  /** Do an act with a task, or some in turn, after asking for what it needs. Gives whether all was done. */
  act(acts: Act | Act[], task: Task): Promise<boolean>;
  /** Ask for an act with a task, which shows meanwhile that it is on its way; it goes on when the view is left. */
  askAbout<Op extends keyof Requests>(id: string, op: Op, body: Requests[Op]): Promise<Reply>;
  /**
   * Give the button that takes back what was done with tasks, where it can be. `tell` says of which it
   * could not.
   */
  undo(done: readonly Done[], tell: (left: readonly Left[]) => void): Button | null;
  /** Open a menu over the view, which is fetched now. */
  menu(name: string): Promise<void>;
  /** Say why something was refused. */
  explain(error: unknown): void;
}

/** The tasks that are selected in a view. */
export interface Picking {
  readonly ids: ReadonlySet<string>;
  /** As the view has them. */
  readonly tasks: readonly Task[];
  /**
   * Select a task, or no more where it is; with `isRange` all from the last one to it. Gives whether
   * it can be selected here.
   */
  pick(id: string, isRange?: boolean): boolean;
  /** Select nothing. */
  clear(): boolean;
  /** What paints the bar of what is selected, once it was fetched. */
  onpaint?: () => void;
}

/** A task as it was before something was done with it, and what the daemon said of it then. */
export interface Done {
  before: Task;
  reply: Reply;
}

/** Why something was not done with a task. */
export interface Left {
  task: Task;
  why: string;
}

/** A view: a pure model, a thin painter, and a pure *take* of news. */
export interface View<Model> {
  /** Give the model with which the view opens, and begins anew when the filters change. */
  start(place: Place, known: Known): Model;
  /** Read what the model needs: when the view opens, with other filters, and when all is afresh. */
  read?(page: Page<Model>): Promise<void>;
  /** Give the model after news. */
  take?(model: Model, news: News, known: Known, place: Place): Model;
  /** Whether news make it necessary to read again; what is afresh always does. Reads wait for one another. */
  reads?(news: News, known: Known, model: Model): boolean;
  /** Give what is shown. Called before a frame, whenever something may have changed. */
  paint(page: Page<Model>): Children;
  /**
   * Whether it shows something that moves on with the time, besides the times of `parts/time.js`, which
   * move on by themselves: it is then painted each second too.
   */
  readonly ticks?: true;
  /** The tasks that may be selected, each list in the order in which it is shown. */
  tasks?(model: Model): readonly (readonly Task[])[];
  /** What the page is called while the view is open; else it is called as its place. */
  title?(page: Page<Model>): string;
  /** Whether there is more than was read: whoever prints wants all. */
  isPart?(model: Model): boolean;
  /** Read all there is, but for more than anybody would print. */
  readAll?(page: Page<Model>): Promise<void>;
  /** Do what a key means here; gives whether it means anything. */
  key?(event: KeyboardEvent, page: Page<Model>): boolean;
}

/** Open a menu: ends when it is shown. */
export type Menu = (page: Page<any>) => Promise<void>;
