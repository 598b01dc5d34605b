"""Rewards, environments and sandboxes in the shapes that other people's trainers expect.

One module per framework, imported only where that framework is. All of them score through
`scorer.Scorer`, in a pool of this process or on `sv-engine serve`; docs/holes.md says how each is
told that a program could not be judged.
"""
