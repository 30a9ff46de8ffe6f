// The port outlives the server where whoever starts the server opens it: nothing has to stand in front.
import assert from 'node:assert/strict';
import { scenario } from '../lib/stage.mjs';

scenario('edits made while a server is away wait in the socket that it was handed', async (stage) => {
  const { server } = stage;
  const [phone, laptop] = await Promise.all([stage.readyDevice(), stage.readyDevice()]);
  for (const end of ['stop', 'kill']) {
    await server[end]();
    const { id } = await phone.save('User', { username: `during ${end}` });
    await server.waiting();
    await server.restart();
    await phone.uploaded();
    await laptop.sees('User', id, { username: `during ${end}`, _version: 1 });
  }
  await Promise.all([phone.subscribed(), laptop.subscribed()]);
  assert.equal((await stage.converged()).User.length, 2);
}, { activated: true });
