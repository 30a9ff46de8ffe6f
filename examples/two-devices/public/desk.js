// The desk on which the two devices lie: shows both and says whether they hold the same records.
const names = ['Phone', 'Laptop'];
const held = new Map();

window.settings.devices.forEach((url, index) => {
  const frame = document.createElement('iframe');
  frame.title = names[index];
  frame.src = `${url}?name=${names[index]}`;
  document.querySelector('#devices').append(frame);
});

function agreement() {
  if (held.size < names.length) return ['unknown', 'Starting…'];
  const [one, two] = names.map((name) => held.get(name));
  if (one.records === two.records && !one.waiting && !two.waiting) return ['yes', 'Both devices hold the same records'];
  return ['no', 'The devices differ'];
}

window.addEventListener('message', ({ data, origin }) => {
  if (!window.settings.devices.some((url) => new URL(url).origin === origin)) return;
  held.set(data.name, data);
  const [agree, text] = agreement();
  const footer = document.querySelector('#agreement');
  footer.dataset.agree = agree;
  footer.textContent = text;
});
