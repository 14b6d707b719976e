// Why a request came to nothing.

/** Nothing is heard of the daemon: the request was not sent. */
export const AWAY = -1;
/** The request was sent, and no answer came: it may have been done. */
export const UNKNOWN = -2;
/** A read was sent, and no answer came. */
export const LATE = -3;

const BUSY = 1005;

/** A request that was refused, or of which no answer came. */
export class Refused extends Error {
  /**
   * @param {{
   *   errid: number,
   *   errmsg?: string,
   *   detail?: string | null,
   *   cause?: string,
   *   values?: Record<string, string>,
   * }} reply the daemon's refusal, or AWAY, UNKNOWN or LATE as `errid`
   */
  constructor(reply) {
    super(reply.detail ?? reply.errmsg ?? '');
    this.errid = reply.errid;
    this.cause = reply.cause;
    this.values = reply.values ?? {};
  }
}

/** Whether the page was left before the answer came. @param {unknown} error */
export const isLeft = (error) => error instanceof DOMException && error.name === 'AbortError';

/** Whether the same read may be answered in a moment. @param {unknown} error */
export const isPassing = (error) =>
  error instanceof Refused && [AWAY, LATE, BUSY].includes(error.errid);
