// Predicates travel as JSON between a test and its devices; DataStore wants functions.
// {"rating":{"gt":3}} | {"and":[…]} | {"or":[…]} | {"not":{…}}

function build(group, node) {
  const [[name, operand]] = Object.entries(node);
  if (name === 'and' || name === 'or') return group[name]((inner) => operand.map((each) => build(inner, each)));
  if (name === 'not') return group.not((inner) => build(inner, operand));
  const [[operator, value]] = Object.entries(operand);
  return operator === 'between' ? group[name].between(...value) : group[name][operator](value);
}

/** The DataStore predicate for a JSON predicate; `undefined` stays `undefined` (everything). */
export const predicate = (node) => node && ((group) => build(group, node));
