/** What a person does in the workbench, as one call each. Everything polls for its effect; nothing sleeps. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { Locator, Page } from 'playwright-core';
import { root } from '../../../scripts/workbench.mjs';

const SCREENSHOTS = path.join(root, '.cache', 'screenshots');
/** How long something may take, in ms; one try of several, and one look that may meet a row just drawn anew. */
const TIMEOUT = 60_000;
const TRY = 10_000;
const LOOK = 2_000;

/** Asks again and again until the answer is there; `what` names it when it never is. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | undefined | null | false>,
  timeout = TIMEOUT,
): Promise<T> {
  const deadline = Date.now() + timeout;
  let last: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== null && answer !== false) return answer;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) {
      throw new Error(
        `Waited ${timeout / 1000} s in vain for ${what}.${last === undefined ? '' : ` ${String(last)}`}`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export class Workbench {
  constructor(readonly page: Page) {}

  /** Opens the address and waits until the workbench takes input. */
  async open(url: string): Promise<void> {
    await this.page.goto(url);
    await this.page.locator('.monaco-workbench .part.statusbar').waitFor();
    await this.page.locator('.part.activitybar .action-item').first().waitFor();
  }

  /** Keeps a picture in .cache/screenshots for a person to look at. */
  async screenshot(name: string): Promise<void> {
    mkdirSync(SCREENSHOTS, { recursive: true });
    await this.page.screenshot({ path: path.join(SCREENSHOTS, `${name}.png`) });
  }

  /**
   * Every try begins anew, with a list that was open already closed: the key that opened it would only go down in it, and
   * it goes on showing the files that there were when it opened.
   */
  private async pick(key: string, text: string, row: string): Promise<void> {
    const input = this.page.locator('.quick-input-widget:visible input[type="text"]').first();
    const wanted = this.page.locator('.quick-input-list .monaco-list-row', { hasText: row }).first();
    await until(`"${row}" in the list`, async () => {
      if (await input.isVisible()) await this.page.keyboard.press('Escape');
      await input.waitFor({ state: 'hidden', timeout: LOOK });
      await this.page.keyboard.press(key);
      await input.waitFor({ state: 'visible', timeout: TRY });
      await input.fill(text, { timeout: TRY });
      await wanted.click({ timeout: TRY });
      // A click that meets a list being filled anew chooses nothing. Not the input: the command may ask for something itself.
      await wanted.waitFor({ state: 'hidden', timeout: TRY });
      return true;
    });
  }

  /** Runs a command from the palette by its label. */
  async command(label: string): Promise<void> {
    await this.pick('F1', `>${label}`, label);
  }

  /** Opens a walkthrough by its title, or comes back to it. */
  async openWalkthrough(title: string): Promise<void> {
    const page = this.page.locator('.gettingStartedContainer:visible .step-title').first();
    if (!(await page.isVisible())) await this.pick('F1', '>Welcome: Open Walkthrough', 'Open Walkthrough');
    const row = this.page.locator('.quick-input-list .monaco-list-row', { hasText: title }).first();
    if (await row.isVisible().catch(() => false)) await row.click();
    else if (!(await page.isVisible())) {
      await row.waitFor();
      await row.click();
    }
    await page.waitFor();
  }

  /** Opens a step of the walkthrough that is shown. */
  async walkthroughStep(title: string): Promise<void> {
    const step = this.page.locator('.getting-started-step', { hasText: title }).first();
    await until(`the step "${title}" to open`, async () => {
      if (/\bexpanded\b/.test((await step.getAttribute('class')) ?? '')) return true;
      await step.locator('.step-title').click();
      return false;
    });
  }

  /** Presses a button of the open step of the walkthrough. */
  async walkthroughButton(label: string): Promise<void> {
    await this.page
      .locator('.getting-started-step.expanded .monaco-button', { hasText: label })
      .first()
      .click();
  }

  /** Starts a launch configuration, chosen by its name from the list of all. */
  async startConfiguration(name: string): Promise<void> {
    await this.command('Debug: Select and Start Debugging');
    await this.page
      .locator('.quick-input-list .monaco-list-row')
      .filter({ has: this.page.getByText(name, { exact: true }) })
      .first()
      .click();
  }

  /** Opens a file of the workspace by its name. */
  async openFile(name: string): Promise<void> {
    await this.pick('Control+P', name, path.basename(name));
    await this.page.locator(`.tab.active[data-resource-name="${path.basename(name)}"]`).waitFor();
    await this.page.locator('.editor-instance .view-line').first().waitFor();
  }

  async goToLine(line: number): Promise<void> {
    const input = this.page.locator('.quick-input-widget:visible input[type="text"]').first();
    await this.page.keyboard.press('Control+G');
    await input.waitFor({ state: 'visible' });
    await input.fill(`:${line}`);
    await this.page.keyboard.press('Enter');
    await input.waitFor({ state: 'hidden' });
    await this.lineNumber(line).waitFor();
  }

  private lineNumber(line: number): Locator {
    return this.page
      .locator('.editor-instance .margin-view-overlays .line-numbers')
      .filter({ hasText: new RegExp(`^${line}$`) })
      .first();
  }

  /** Where a line of the active editor is drawn, once it no longer scrolls. */
  private async placeOf(line: number): Promise<{ x: number; y: number }> {
    let before: number | undefined;
    return until(`line ${line} in view`, async () => {
      const number = await this.lineNumber(line).boundingBox();
      const margin = await this.page.locator('.editor-instance .margin').first().boundingBox();
      const still = number !== null && number.y === before;
      before = number?.y;
      return still && margin && { x: margin.x + 9, y: number.y + number.height / 2 };
    });
  }

  /** Clicks into the gutter beside a line of the active editor, which sets a breakpoint or removes it. */
  async clickBreakpoint(line: number, wanted = true): Promise<void> {
    const glyphs = this.page.locator('.editor-instance [class*="codicon-debug-breakpoint"]');
    const there = async (y: number): Promise<boolean> => {
      const spans = await glyphs.evaluateAll((all) => all.map((glyph) => glyph.getBoundingClientRect()));
      return spans.some(({ top, bottom }) => top <= y && y < bottom);
    };
    await until(`the breakpoint at line ${line} to ${wanted ? 'come' : 'go'}`, async () => {
      await this.goToLine(line);
      const { x, y } = await this.placeOf(line);
      if ((await there(y)) === wanted) return true;
      await this.page.mouse.click(x, y);
      return until('the click to be seen', async () => (await there(y)) === wanted, TRY);
    });
  }

  /** F5, which starts or continues. While a session has not told the editor yet that it has stopped, the key does nothing. */
  async continue(): Promise<void> {
    const running = this.page.locator('.codicon-debug-pause:visible').first();
    await running.waitFor({ state: 'hidden', timeout: TIMEOUT });
    await this.page.keyboard.press('F5');
  }

  /** F11 */
  async stepInto(): Promise<void> {
    await this.page.keyboard.press('F11');
  }

  /** F10 */
  async stepOver(): Promise<void> {
    await this.page.keyboard.press('F10');
  }

  /**
   * Waits for a stop whose innermost frame shows `text`. Frames further out do not count: the guest that a hypervisor
   * is about to enter is one of them.
   */
  async stopped(text: string | RegExp): Promise<void> {
    await this.page
      .locator('.debug-toolbar .codicon-debug-step-over, .codicon-debug-step-over')
      .first()
      .waitFor();
    const matches = (row: string): boolean =>
      typeof text === 'string' ? row.includes(text) : text.test(row);
    let last: string | undefined;
    try {
      await until(`a stop in ${text}`, async () => {
        last = (await this.callStack())[0];
        return last !== undefined && matches(last);
      });
    } catch (error) {
      throw new Error(`${error instanceof Error ? error.message : error} The innermost frame: ${last}`);
    }
  }

  /** Why the program has stopped, as the head of the call stack says it, or, with several threads, the row of one. */
  async stopReason(): Promise<string> {
    const labels = this.page.locator(
      '.call-stack-state-message .label:visible, .debug-call-stack .thread .state:visible',
    );
    // As written, not in the capitals in which rows show it.
    const texts = (await labels.allTextContents()).map((text) => text.trim());
    return texts.find((text) => text.startsWith('Paused on')) ?? '';
  }

  /** The frames of the call stack, the innermost first. */
  callStack(): Promise<string[]> {
    return this.rows('.debug-call-stack .monaco-list-row:has(.stack-frame)');
  }

  /** The text of the panel: an output channel, as far as it is in view. */
  async panelText(): Promise<string> {
    const lines = await this.page.locator('.part.panel .view-line').allInnerTexts();
    return lines.join('\n').replace(/\u00a0/g, ' ');
  }

  /** Waits until no session runs any more. */
  async ended(): Promise<void> {
    await this.page.locator('.codicon-debug-stop').first().waitFor({ state: 'detached' });
  }

  /** The texts of the rows, top to bottom, with plain spaces. */
  private async rows(selector: string): Promise<string[]> {
    const found = await this.page.locator(selector).evaluateAll((rows) =>
      rows
        .filter((row) => row instanceof HTMLElement)
        .map((row) => ({ top: Number.parseFloat(row.style.top || '0'), text: row.innerText }))
        .sort((a, b) => a.top - b.top)
        .map(({ text }) => text),
    );
    return found.map((text) => text.replace(/\s+/g, ' ').trim());
  }

  variables(): Promise<string[]> {
    return this.rows('.debug-variables .monaco-list-row');
  }

  private variableRow(name: string): Locator {
    const escaped = name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
    return this.page
      .locator('.debug-variables .monaco-list-row')
      .filter({ hasText: new RegExp(`^\\s*${escaped}\\s*(=|:|$)`) })
      .first();
  }

  /** Scrolls the Variables view until the row is in view: the list draws only what is, and a little more. */
  private async showVariable(name: string): Promise<Locator> {
    const row = this.variableRow(name);
    const view = await this.page.locator('.debug-variables .monaco-scrollable-element').first().boundingBox();
    assert.ok(view, 'the Variables view is not open');
    // Left of names and values: what pops up over one would take the wheel.
    await this.page.mouse.move(view.x + 3, view.y + view.height / 2);
    const bottom = view.y + view.height;
    let direction = 1;
    let before = '';
    await until(`the variable ${name}`, async () => {
      const drawn = (await row.count()) > 0 ? await row.boundingBox({ timeout: LOOK }) : null;
      if (drawn && drawn.y >= view.y && drawn.y + drawn.height <= bottom) return true;
      if (drawn) direction = drawn.y < view.y ? -1 : 1;
      await this.page.mouse.wheel(0, direction * (drawn ? drawn.height : view.height * 0.7));
      await new Promise((resolve) => setTimeout(resolve, 50));
      const now = (await this.variables()).join('\n');
      // At an end of the list the search turns round.
      if (now === before && !drawn) direction = -direction;
      before = now;
      return false;
    });
    return row;
  }

  /** Expands a scope or a structured variable; the last of `names` stays expanded. */
  async expand(...names: string[]): Promise<void> {
    for (const name of names) await this.setExpanded(name, true);
  }

  /** Collapses a scope, so that what is below comes into view. */
  async collapse(name: string): Promise<void> {
    await this.setExpanded(name, false);
  }

  /** Looks for the row anew each time: a stop makes the view draw all its rows again. */
  private async setExpanded(name: string, wanted: boolean): Promise<void> {
    await until(`${name} to ${wanted ? 'expand' : 'collapse'}`, async () => {
      const row = await this.showVariable(name);
      if ((await row.getAttribute('aria-expanded', { timeout: LOOK })) === String(wanted)) return true;
      await row.locator('.monaco-tl-twistie').click({ timeout: LOOK });
      return false;
    });
  }

  /** Gives a section of the Run view no more than its header, so that the others have more room. */
  async closeSection(name: string): Promise<void> {
    const header = this.page.locator('.pane-header', { hasText: name }).first();
    await until(`the section ${name} to close`, async () => {
      if ((await header.getAttribute('aria-expanded')) === 'false') return true;
      await header.click();
      return false;
    });
  }

  /**
   * Waits until the Variables view shows a value that matches for a name. For a moment after a stop it still has the
   * values of the one before.
   */
  async shows(name: string, value: RegExp): Promise<void> {
    let last: string | undefined;
    try {
      await until(`${name} to be ${value}`, async () => {
        const row = await this.showVariable(name);
        last = /^[^=]*=\s*(.*)$/s
          .exec((await row.innerText({ timeout: LOOK })).replace(/\s+/g, ' '))?.[1]
          ?.trim();
        return last !== undefined && value.test(last);
      });
    } catch (error) {
      throw new Error(`${error instanceof Error ? error.message : error} It is ${last}.`);
    }
  }

  /** Changes a variable as a person does: double click, type, Enter. */
  async setVariable(name: string, value: string): Promise<void> {
    const row = await this.showVariable(name);
    await row.dblclick();
    const input = row.locator('input').first();
    await input.waitFor();
    await input.fill(value);
    await input.press('Enter');
    await input.waitFor({ state: 'hidden' });
  }

  /** Chooses from the menu of a variable. */
  async variableMenu(name: string, item: string): Promise<void> {
    const wanted = this.page.locator('.monaco-menu .action-label', { hasText: item }).first();
    await until(`"${item}" in the menu of ${name}`, async () => {
      const row = await this.showVariable(name);
      await row.click({ button: 'right', timeout: LOOK });
      await wanted.waitFor({ timeout: TRY });
      return true;
    });
    // A menu takes no click in its first moment, lest the one that opened it choose something.
    await until(`"${item}" to be chosen`, async () => {
      await wanted.click({ timeout: LOOK });
      await wanted.waitFor({ state: 'hidden', timeout: LOOK });
      return true;
    });
  }

  /** Ticks an exception filter in the Breakpoints view. */
  async tickFilter(label: string, wanted = true): Promise<void> {
    await this.command('Run and Debug: Focus on Breakpoints View');
    const row = this.page.locator('.debug-breakpoints .monaco-list-row').filter({ hasText: label }).first();
    await row.waitFor();
    const box = row.locator('input[type="checkbox"], .monaco-custom-toggle, .monaco-checkbox').first();
    const ticked = (): Promise<boolean> => box.isChecked();
    if ((await ticked()) !== wanted) await box.click();
    await until(`${label} to be ${wanted ? 'ticked' : 'clear'}`, async () => (await ticked()) === wanted);
  }

  /** Adds a breakpoint on a function by its name. */
  async addFunctionBreakpoint(name: string): Promise<void> {
    await this.command('Add Function Breakpoint');
    const view = this.page.locator('.debug-breakpoints');
    // Its row is behind the exception filters: a list draws only what is in view.
    const scrolled = async (what: Locator): Promise<void> => {
      await until('the end of the Breakpoints view', async () => {
        if (await what.isVisible()) return true;
        await view.hover();
        await this.page.mouse.wheel(0, 400);
        return false;
      });
    };
    const input = view.locator('input[type="text"], .monaco-inputbox input').first();
    await scrolled(input);
    await input.fill(name);
    await input.press('Enter');
    await scrolled(view.locator('.monaco-list-row', { hasText: name }).first());
  }

  /** Evaluates in the Debug Console and returns the rows that appeared after the expression. */
  async evaluate(expression: string): Promise<string> {
    await this.command('Debug Console: Focus on Debug Console View');
    const input = this.page.locator('.repl-input-wrapper .monaco-editor').first();
    await input.click();
    const rows = (): Promise<string[]> => this.rows('.repl .monaco-list-row');
    const before = (await rows()).length;
    await this.page.keyboard.type(expression);
    await this.page.keyboard.press('Escape');
    await this.page.keyboard.press('Enter');
    return until(`the answer to ${expression}`, async () => {
      const now = await rows();
      return now.length >= before + 2 ? now.at(-1) : undefined;
    });
  }

  /** The first lines of the terminal, as many as are in view; needs `terminal.integrated.gpuAcceleration: off`. */
  async terminalText(): Promise<string> {
    await this.command('Terminal: Focus on Terminal View');
    await this.command('Terminal: Scroll to Top');
    return until('text in the terminal', async () => (await this.terminalEnd()) || undefined);
  }

  /** What is in view of the terminal: its last lines, unless somebody scrolls. */
  async terminalEnd(): Promise<string> {
    const rows = await this.page.locator('.terminal-wrapper.active .xterm-rows > div').allInnerTexts();
    return rows
      .join('\n')
      .replace(/\u00a0/g, ' ')
      .trim();
  }

  /** The notifications on the screen. */
  notifications(): Promise<string[]> {
    return this.rows('.notification-toast .notification-list-item-message');
  }
}
