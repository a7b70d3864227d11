// Which lines of a log are on screen. It knows nothing of the document.

/**
 * Browsers cannot show an element of more than some 17 to 33 million px. A longer log is shown by
 * an element of this height, of which the middle stands for more lines than it has room for.
 */
const TALLEST_PX = 8_000_000;
/** Both ends of a log are as high as they are, so that scrolling reaches the first and last line. */
const EDGE_PX = 1_000_000;
/** Lines beyond both edges of the screen, which are there when scrolling brings them. */
const BEYOND = 12;

/** Where the lines of a log are on an element that may be less high than all of them. */
export class ScrollMap {
  readonly elementPx: number;
  private readonly ratio: number;

  /** @param heightPx of all lines */
  constructor(readonly heightPx: number) {
    this.elementPx = Math.min(heightPx, TALLEST_PX);
    this.ratio = (heightPx - 2 * EDGE_PX) / (this.elementPx - 2 * EDGE_PX);
  }

  /** How far down in the lines is what is this far down in the element. */
  toLines(elementPx: number): number {
    if (this.heightPx <= TALLEST_PX || elementPx < EDGE_PX) return elementPx;
    if (elementPx > this.elementPx - EDGE_PX) return this.heightPx - (this.elementPx - elementPx);
    return EDGE_PX + (elementPx - EDGE_PX) * this.ratio;
  }

  /** The other way. */
  toElement(linesPx: number): number {
    if (this.heightPx <= TALLEST_PX || linesPx < EDGE_PX) return linesPx;
    if (linesPx > this.heightPx - EDGE_PX) return this.elementPx - (this.heightPx - linesPx);
    return EDGE_PX + (linesPx - EDGE_PX) / this.ratio;
  }
}

/** The place of a reader in a log. */
export class LogPosition {
  /** Tells that other lines are on screen. */
  changed = (): void => {};
  /** True while the end stays on screen however long the log grows. */
  follows = true;
  map = new ScrollMap(0);
  /** True until the element has been scrolled to `scrollTop`. */
  isMoved = false;
  scrollTop = 0;
  /** The line that was led to, until the page has been scrolled to it as well. */
  target: number | undefined;
  private topPx = 0;
  private linePx = 20;
  private viewPx = 400;
  private numLines = 0;

  /** Takes over how many lines there are, and how much room. */
  resize(numLines: number, linePx: number, viewPx: number): void {
    const isSame = numLines === this.numLines && linePx === this.linePx && viewPx === this.viewPx;
    if (isSame) return;
    const top = (this.topPx / this.linePx) * linePx;
    [this.numLines, this.linePx, this.viewPx] = [numLines, linePx, viewPx];
    this.map = new ScrollMap(numLines * linePx);
    const place = this.follows ? this.lastPx() : this.clamp(top);
    // Whoever scrolls while the log grows is not disturbed.
    if (place !== this.topPx || this.follows) this.moveTo(place);
  }

  /** The reader has scrolled the element. */
  scrolled(scrollTop: number): void {
    const delta = scrollTop - this.scrollTop;
    if (delta === 0) return;
    this.scrollTop = scrollTop;
    const isSmall = Math.abs(delta) < 2 * this.viewPx;
    const exact = this.map.toLines(scrollTop);
    // A turn of the wheel moves as many lines as it does elsewhere; a drag leads to its share.
    const isAtEdge = exact === scrollTop || scrollTop >= this.map.elementPx - EDGE_PX;
    this.topPx = this.clamp(isSmall && !isAtEdge ? this.topPx + delta : exact);
    this.follows = delta > 0 && this.topPx >= this.lastPx() - 2;
    this.changed();
  }

  /** Puts the bar where the lines are, once nobody scrolls. */
  settle(): void {
    const place = this.map.toElement(this.topPx);
    if (Math.abs(place - this.scrollTop) < 1) return;
    [this.scrollTop, this.isMoved] = [place, true];
    this.changed();
  }

  /** Shows a line, in the upper part of the screen. */
  toLine(line: number): void {
    [this.follows, this.target] = [false, line];
    this.moveTo(line * this.linePx - this.viewPx / 3);
    this.changed();
  }

  /** Shows a line, if it is not there already. */
  reveal(line: number): void {
    const top = line * this.linePx;
    if (top < this.topPx || top + this.linePx > this.topPx + this.viewPx) return this.toLine(line);
    [this.follows, this.target] = [false, line];
    this.changed();
  }

  /** Shows the end, and follows it. */
  toEnd(): void {
    this.follows = true;
    this.moveTo(this.lastPx());
    this.changed();
  }

  get isAtEnd(): boolean {
    return this.topPx >= this.lastPx() - 2;
  }

  /** The first line that is whole on screen. */
  get first(): number {
    return Math.ceil(this.topPx / this.linePx);
  }

  /** The lines on screen, from the first to behind the last; `beyond` adds those that are near. */
  visible(beyond = 0): { from: number; to: number } {
    const from = Math.floor(this.topPx / this.linePx) - beyond;
    const to = Math.ceil((this.topPx + this.viewPx) / this.linePx) + beyond;
    return { from: Math.max(0, from), to: Math.min(this.numLines, to) };
  }

  /** The lines to draw, and how far down in the element the first of them is, in px. */
  drawn(): { from: number; to: number; topPx: number } {
    const { from, to } = this.visible(BEYOND);
    return { from, to, topPx: this.scrollTop + from * this.linePx - this.topPx };
  }

  private moveTo(topPx: number): void {
    this.topPx = this.clamp(topPx);
    this.scrollTop = this.map.toElement(this.topPx);
    this.isMoved = true;
  }

  private lastPx(): number {
    return Math.max(0, this.map.heightPx - this.viewPx);
  }

  private clamp(px: number): number {
    return Math.min(Math.max(0, px), this.lastPx());
  }
}
