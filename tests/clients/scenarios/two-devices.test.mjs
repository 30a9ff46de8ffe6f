// The page of examples/two-devices, driven as a person would: edits on both sides while apart, then together again.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { serve } from '../../../examples/two-devices/serve.mjs';
import { launchChromium } from '../lib/chromium.mjs';
import { STORES, Server, example } from '../lib/server.mjs';

const artifacts = fileURLToPath(new URL('../../artifacts/', import.meta.url));

/** One side of the page, with the words a person would use. */
class Side {
  constructor(page, name) {
    this.frame = page.frameLocator(`iframe[title="${name}"]`);
  }

  async add(title) {
    await this.frame.getByLabel('New task').fill(title);
    await this.frame.getByRole('button', { name: 'Add' }).click();
  }

  async rename(from, to) {
    const title = this.frame.locator('li').filter({ has: this.frame.getByLabel(`Delete ${from}`) }).getByLabel('Title');
    await title.fill(to);
    await title.press('Enter');
  }

  check(title) {
    return this.frame.locator('li').filter({ has: this.frame.getByLabel(`Delete ${title}`) }).getByLabel('Done').click();
  }

  delete(title) {
    return this.frame.getByLabel(`Delete ${title}`).click();
  }

  switchNetwork() {
    return this.frame.locator('.switch').click();
  }

  shows(status) {
    return this.frame.locator('#status', { hasText: status }).waitFor();
  }

  showsTask(title) {
    return this.frame.getByLabel(`Delete ${title}`).waitFor();
  }

  async tasks() {
    const rows = await this.frame.locator('li').all();
    return Promise.all(
      rows.map(async (row) => {
        const title = await row.getByLabel('Title').inputValue();
        return `${(await row.getByLabel('Done').isChecked()) ? '✓ ' : ''}${title}`;
      }),
    );
  }
}

async function editApartAndMeet(page) {
  const [phone, laptop] = [new Side(page, 'Phone'), new Side(page, 'Laptop')];
  const agree = (answer) => page.locator(`#agreement[data-agree="${answer}"]`).waitFor();
  const synced = () => Promise.all([phone.shows('Everything is synced'), laptop.shows('Everything is synced')]);

  await synced();
  for (const title of ['Buy bread', 'Water the plants', 'Call Grace']) await phone.add(title);
  await laptop.showsTask('Call Grace');
  await synced();
  await agree('yes');

  await phone.switchNetwork();
  await laptop.switchNetwork();
  await Promise.all([phone.shows('Offline'), laptop.shows('Offline')]);
  await phone.add('Pack the tent');
  await phone.rename('Buy bread', 'Buy bread and cheese');
  await laptop.check('Water the plants');
  await laptop.delete('Call Grace');
  await laptop.add('Book the ferry');
  await Promise.all([phone.shows('2 changes waiting'), laptop.shows('3 changes waiting')]);
  await agree('no');
  await page.screenshot({ path: `${artifacts}/two-devices-apart.png` });

  await phone.switchNetwork();
  await laptop.switchNetwork();
  await Promise.all([phone.showsTask('Book the ferry'), laptop.showsTask('Pack the tent')]);
  await synced();
  await agree('yes');
  await page.screenshot({ path: `${artifacts}/two-devices.png` });
  return { phone, laptop };
}

for (const store of STORES) {
  test(`the two-devices page meets again after edits on both sides (${store})`, { timeout: 120_000 }, async () => {
    mkdirSync(artifacts, { recursive: true });
    const server = await Server.start({ store, schema: example('two-devices') });
    const site = await serve({ endpoint: server.httpEndpoint, secure: server.endpoint, apiKey: server.apiKey });
    const browser = await launchChromium(server);
    try {
      const page = await browser.newPage({ viewport: { width: 1100, height: 820 } });
      await page.goto(site.url);
      const { phone, laptop } = await editApartAndMeet(page);

      const expected = ['Book the ferry', 'Buy bread and cheese', 'Pack the tent', '✓ Water the plants'];
      assert.deepEqual((await phone.tasks()).sort(), expected);
      assert.deepEqual((await laptop.tasks()).sort(), expected);
      const stored = await server.list('Tasks', 'title done');
      assert.deepEqual(stored.map(({ title, done }) => `${done ? '✓ ' : ''}${title}`).sort(), expected);
    } finally {
      await browser.close();
      site.close();
      await server.stop();
    }
  });
}
