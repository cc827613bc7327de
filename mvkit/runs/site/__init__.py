"""One static site over any set of runs: `choose` says which, `write_site` writes index, figures and comparison.

Pages load nothing but their own pictures, and run one script, known to their policy by its hash; without it every row
stays to be seen.
"""
