/** An element that is made only where what it shows has changed. */
export interface Lazy {
  name: string;
  deps: readonly unknown[];
  make: () => Element;
}

/** What an element may hold; text is always text, and nothing is shown for the empty ones. */
export type Children =
  | Node
  | Lazy
  | string
  | number
  | false
  | null
  | undefined
  | readonly Children[];

/** Attributes, handlers (`onclick`), `key`, `dataset` and `style` of an element. */
export type Props = Record<string, unknown>;
