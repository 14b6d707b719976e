// The daemon's figures, where a view needs them as it opens.

/**
 * Ask for the figures unless they are known: the daemon tells of them only when they change.
 * @param {import('./page').Page<any>} page
 */
export async function withFigures(page) {
  if (page.known.figures === null) {
    await page.ask('Figures', {});
  }
}
