// What is asked by HTTP: what sets a cookie, and what must be known before a sign-in.

import { written } from '../core/json.js';
import { Refused, UNKNOWN } from './refused.js';

/** @typedef {import('./types').Reply} Reply */

/** A sign-in may wait for others': passwords are slow to look at. */
const POST_MS = 15_000;
const NOT_ALLOWED = 1003;

/**
 * Ask by POST.
 * @param {string} op
 * @param {string} query
 * @param {object} body
 * @param {() => Refused} away makes the refusal of what was not sent
 * @returns {Promise<Reply>} Rejects with `Refused`
 */
export async function posted(op, query, body, away) {
  const headers = { 'content-type': 'application/json' };
  const signal = AbortSignal.timeout(POST_MS);
  let reply;
  try {
    const sent = { method: 'POST', headers, body: written(body), signal };
    reply = await (await fetch(`api/v1/${op}${query}`, sent)).json();
  } catch {
    throw signal.aborted ? new Refused({ errid: UNKNOWN }) : away();
  }
  if (reply.errid) {
    throw new Refused(reply);
  }
  return reply;
}

/**
 * Ask what a sign-in must know, and who has signed in.
 * @param {string} query
 * @param {string} bearer the token to ask by; cookies are left out then
 * @param {number} ms how long to wait for the answer
 * @returns {Promise<Reply | null>} null where nobody answers
 */
export function told(query, bearer, ms) {
  const signal = AbortSignal.timeout(ms);
  const headers = { authorization: `Bearer ${bearer}` };
  /** @type {RequestInit} */
  const how = bearer ? { signal, headers, credentials: 'omit' } : { signal };
  return fetch(`api/v1/about${query}`, how)
    .then((answer) => answer.json())
    .catch(() => null);
}

/**
 * Whether an answer of `told` says that nobody is signed in.
 * @param {Reply | null} asks
 * @param {string} bearer
 */
export const isNobody = (asks, bearer) =>
  bearer ? asks?.errid === NOT_ALLOWED : asks?.user === '';
