"""A network as plain C: from the IR to a package that a firmware engineer drops into a project.

program.py   what is generated, as data: the steps, their constants, how their memory may overlap
lowering/    how each op becomes a call of a kernel: one function an op, one table of kernels a family
leads.py     by how much an output may trail over the input that it is made from
order.py     in which order ops run; memory.py, layout.py: where tensors and scratch lie, and when they are moved
c_text.py    constants as C; generate.py and templates/: the files; selftest.py: what is stored to check them
package.py   a package in memory; containers.py: layouts of tools; folder.py: on disk; names.py: what C takes
"""
