"""What a patient may decide about the own record, and what the house does with it: words and rules, no framework."""
